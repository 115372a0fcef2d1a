/*
 * status.c
 *		The handler of the state of everything, for the console.
 */
#include "api/call.h"
#include "api/handlers.h"
#include "http/response.h"

static void
answer_status(Request *request, const Rows *rows)
{
	respond_ok(request, rows_text(rows, 0), NULL);
}

/* It looks at every chat, which may take a while: in a session for searches. */
void
status_show(Request *request)
{
	call_begin(request, GET_STATUS, answer_status, NULL);
	call_search(request);
}
