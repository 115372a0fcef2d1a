/*
 * status.c
 *		The handler of the state of everything, for the console.
 *
 * It comes from chat.status_json(), in a session for searches, and is kept as figures are.
 */
#include <string.h>

#include "api/call.h"
#include "api/handlers.h"
#include "api/kept_answer.h"
#include "common/loop.h"
#include "http/response.h"

static KeptAnswer kept;

static void
answer_status(Request *request, const Rows *rows)
{
	kept_answer_put(&kept, rows_text(rows, 0), loop_now() - request->started_at);
	respond_ok(request, kept.text ? strdup(kept.text) : NULL, NULL);
}

void
status_show(Request *request)
{
	if (kept_answer_use(&kept) && kept.text)
	{
		respond_ok(request, strdup(kept.text), NULL);
		return;
	}
	call_begin(request, GET_STATUS, answer_status, NULL);
	call_search(request);
}
