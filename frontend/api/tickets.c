/*
 * tickets.c
 *		The handler that sells tickets.
 */
#include <stdlib.h>
#include <string.h>

#include "access/ticket.h"
#include "api/call.h"
#include "api/handlers.h"
#include "http/response.h"

static void
answer_created(Request *request, const Rows *rows)
{
	const Call *call = call_of(request);
	Json		json = {0};

	(void) rows;
	json_open(&json, '{');
	json_member_text(&json, "ticket", call->ticket, strlen(call->ticket));
	json_member_number(&json, "expires_in", TICKET_LIFETIME);
	json_close(&json, '}');
	respond_json(request, MHD_HTTP_CREATED, &json);
}

void
ticket_create(Request *request)
{
	Call	   *call = call_of(request);
	const Grant *grant = visit_grant(request);

	if (grant == NULL)
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST, "A ticket is bought with a credential, in the header Authorization.");
		return;
	}
	call->ticket_content = ticket_content(grant);
	if (call->ticket_content == NULL || !ticket_make(call->ticket) ||
		!ticket_digest(call->ticket, strlen(call->ticket), call->ticket_digest))
	{
		respond_unavailable(request, "Out of memory.");
		return;
	}
	call_begin(request, CREATE_TICKET, answer_created, application_missing);
	call_add_token(request);
	call_add_text(request, call->ticket_digest, strlen(call->ticket_digest));
	call_add_text(request, call->ticket_content, strlen(call->ticket_content));
	call_write(request);
}
