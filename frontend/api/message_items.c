/*
 * message_items.c
 *		Many messages that one request creates.
 *
 * Each item is a query of its own, which goes to the database with the messages of all other
 * requests (writes.c), and has its own outcome. The response has all of them, in order. Where
 * all or none are wanted, they are the parts of one query instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/handlers.h"
#include "api/message_items.h"
#include "api/new_message.h"
#include "api/problem.h"
#include "api/query_flag.h"
#include "api/request_header.h"
#include "db/writes.h"
#include "http/field_value.h"
#include "http/response.h"

typedef struct Item
{
	Query		query;
	Request    *request;
	Json		outcome;		/* as the response has it */
} Item;

typedef struct MessageItems
{
	bool		of_chat;		/* all are of the path's chat */
	bool		atomic;			/* all or none are wanted */
	unsigned	status;			/* of the response with all outcomes */
	int			count;
	int			sent;			/* those that are valid */
	int			waiting;		/* of these, those without an outcome */
	unsigned	common_status;	/* of the outcomes of these so far; 0: they differ, or there is
								 * none */
	char		error[256];		/* the text of the last, if it failed */
	Item		list[];
} MessageItems;

static size_t
size_of(const MessageItems *items)
{
	return sizeof(MessageItems) + items->count * sizeof(Item);
}

static void
release(Request *request)
{
	MessageItems *items = call_of(request)->items;

	for (int i = 0; i < items->count; i++)
		json_free(&items->list[i].outcome);
	share_give(request->share, MEMORY_OF_BODIES, size_of(items));
	free(items);
}

static void
parent_missing(Request *request)
{
	if (call_of(request)->items->of_chat)
		respond_error(request, MHD_HTTP_NOT_FOUND, "Chat not found");
	else
		application_missing(request);
}

/* Responds with the outcomes of all items. */
static void
respond_outcomes(Request *request)
{
	const MessageItems *items = call_of(request)->items;
	Json		json = {0};

	json_open(&json, '[');
	for (int i = 0; i < items->count; i++)
	{
		const Json *outcome = &items->list[i].outcome;

		if (outcome->failed)
			json.failed = true;
		else
			json_value(&json, outcome->bytes, outcome->used);
	}
	json_close(&json, ']');
	respond_json(request, items->status, &json);
}

static void
answer_parent(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		parent_missing(request);
	else
		respond_outcomes(request);
}

/* Responds with the outcomes, once the application or chat is known to exist: a missing one comes first. */
static void
look_for_parent(Request *request)
{
	bool		of_chat = call_of(request)->items->of_chat;

	call_begin(request, of_chat ? GET_CHAT : GET_APPLICATION, answer_parent, parent_missing);
	call_add_token(request);
	if (of_chat)
		call_add_number(request, path_chat(request));
	call_read(request);
}

/*
 * All outcomes are there. What is not about an item, and has come to all of them, is the answer
 * to the request: the database cannot be reached, or what was sent may be stored or not.
 */
static void
respond_all(Request *request)
{
	const MessageItems *items = call_of(request)->items;

	if (items->common_status == MHD_HTTP_SERVICE_UNAVAILABLE || items->common_status == MHD_HTTP_FAILED_DEPENDENCY)
		respond_problem(request, &(Problem) {.status = items->common_status, .text = items->error});
	else if (items->sent == 0 || items->common_status == MHD_HTTP_NOT_FOUND)
		look_for_parent(request);
	else
		respond_outcomes(request);
}

static Item *
item_of(Query *query)
{
	return (Item *) ((char *) query - offsetof(Item, query));
}

/* Notes that an item, which was sent, has an outcome. After the last one, responds. */
static void
take_outcome(Item *item, unsigned status)
{
	MessageItems *items = call_of(item->request)->items;

	if (items->waiting == items->sent)
		items->common_status = status;
	else if (items->common_status != status)
		items->common_status = 0;
	if (items->atomic && status != MHD_HTTP_CREATED && status != MHD_HTTP_CONFLICT)
		items->status = status == MHD_HTTP_PRECONDITION_FAILED ? status : MHD_HTTP_UNPROCESSABLE_CONTENT;
	json_close(&item->outcome, '}');
	if (--items->waiting == 0)
		respond_all(item->request);
}

static void
on_success(Query *query, const Rows *rows)
{
	Item	   *item = item_of(query);

	call_note_commit(item->request, query);
	json_member_number(&item->outcome, "status", MHD_HTTP_CREATED);
	if (new_message_is_replayed(rows))
		json_member_value(&item->outcome, "replayed", "true", strlen("true"));
	json_name(&item->outcome, "message");
	new_message_write(&item->outcome, query, rows);
	take_outcome(item, MHD_HTTP_CREATED);
}

static void
on_failure(Query *query, const Failure *failure)
{
	Item	   *item = item_of(query);
	MessageItems *items = call_of(item->request)->items;
	Problem		problem;
	bool		unstorable = failure->sqlstate && strcmp(failure->sqlstate, UNSTORABLE) == 0;

	if ((failure->sqlstate && strcmp(failure->sqlstate, NO_SUCH_ROW) == 0) ||
		(unstorable && !path_token_is_ascii(item->request)))
		problem = (Problem) {.status = MHD_HTTP_NOT_FOUND, .text = "Chat not found"};
	else if (unstorable)
		problem = (Problem) {
			.status = MHD_HTTP_UNPROCESSABLE_CONTENT, .field = new_message_unstorable_field(query), .text = UNSTORABLE_TEXT
		};
	else
		problem_of(failure, item->request, &problem);
	snprintf(items->error, sizeof(items->error), "%s", problem.text);
	problem_write(&item->outcome, &problem);
	take_outcome(item, problem.status);
}

/* Reads an item. If it is invalid, that is its outcome. */
static void
read_item(Request *request, Fields *fields, NewMessageTerms terms, Item *item, QueryQueue *valid)
{
	Json		faults = {0};

	item->request = request;
	item->query = (Query) {
		.statement = CREATE_MESSAGES,
		.since = request->started_at,
		.caller = visit_caller(request),
		.label = request->id.text,
		.waiting = request->share ? &request->share->queued : NULL,
		.succeeded = on_success,
		.failed = on_failure
	};
	json_open(&item->outcome, '{');
	new_message_read(request, fields, terms, &item->query, &faults);
	if (!fault_any(&faults))
	{
		query_push(valid, &item->query);
		return;
	}
	json_close(&faults, '}');
	json_member_number(&item->outcome, "status", MHD_HTTP_UNPROCESSABLE_CONTENT);
	json_member_value(&item->outcome, "errors", faults.bytes, faults.used);
	json_close(&item->outcome, '}');
	item->outcome.failed |= faults.failed;
	json_free(&faults);
}

/* The outcomes of a query whose parts the items are. */
static void
answer_parts(Request *request, const Rows *rows)
{
	MessageItems *items = call_of(request)->items;

	for (int i = 0; i < items->count && i < rows->count; i++)
	{
		Query	   *query = &items->list[i].query;
		Failure		failure;

		if (outcome_is_success(rows->result, i))
			on_success(query, &(Rows) {.result = rows->result, .first = i, .count = 1});
		else
		{
			failure = outcome_failure(rows->result, i);
			on_failure(query, &failure);
		}
	}
}

static void
parts_unstorable(Request *request)
{
	respond_error(request, MHD_HTTP_UNPROCESSABLE_CONTENT, "An item " UNSTORABLE_TEXT ".");
}

/* Submits the items as the parts of one query. */
static void
submit_parts(Request *request, QueryQueue *valid)
{
	MessageItems *items = call_of(request)->items;
	Query	   *query = &call_of(request)->query;

	call_begin(request, CREATE_ALL_MESSAGES, answer_parts, parent_missing);
	call_of(request)->unstorable = parts_unstorable;
	call_add_token(request);
	call_add_number(request, items->of_chat ? path_chat(request) : 0);
	query->parts = *valid;
	query->repeatable = true;
	for (const Query *part = valid->first; part; part = part->next)
		query->repeatable = query->repeatable && part->repeatable;
	call_write(request);
}

/* All or none are wanted, and some are invalid: so the others are not sent. */
static void
refuse_others(Request *request, QueryQueue *valid)
{
	MessageItems *items = call_of(request)->items;
	Query	   *query;

	items->sent = items->waiting = 0;
	items->status = MHD_HTTP_UNPROCESSABLE_CONTENT;
	while ((query = query_pop(valid)) != NULL)
	{
		Json	   *outcome = &item_of(query)->outcome;
		Problem		problem;

		problem_of(&(Failure) {.sqlstate = NOT_ALONE}, request, &problem);
		problem_write(outcome, &problem);
		json_close(outcome, '}');
	}
	respond_all(request);
}

/* Reads how the messages are to be created. If that is malformed, responds and returns false. */
static bool
read_terms(Request *request, bool *atomic, int *if_last)
{
	if (!query_flag(request, "atomic", atomic) || !request_if_match(request, if_last))
		return false;
	if (request->headers.idempotency_key)
		respond_error(request, MHD_HTTP_BAD_REQUEST,
					  "The header Idempotency-Key is for a single message: each item of an array has its own key.");
	else if (*if_last >= 0 && (!*atomic || path_chat(request) == 0))
		respond_error(request, MHD_HTTP_BAD_REQUEST,
					  "The header If-Match is for a single message, or all of an array of one chat with atomic=true.");
	return request->status == 0;
}

/* Makes the items of a request. If there is no memory for them, responds and returns NULL. */
static MessageItems *
begin(Request *request, bool of_chat, bool atomic)
{
	MessageItems sample = {
		.of_chat = of_chat, .atomic = atomic, .status = MHD_HTTP_MULTI_STATUS, .count = request->items.count
	};
	MessageItems *items = NULL;

	if (share_has_room(request->share, MEMORY_OF_BODIES, size_of(&sample)))
		items = calloc(1, size_of(&sample));
	if (items == NULL)
	{
		respond_unavailable(request, "The server is busy.");
		return NULL;
	}
	*items = sample;
	share_take(request->share, MEMORY_OF_BODIES, size_of(items));
	call_of(request)->items = items;
	call_of(request)->release = release;
	return items;
}

void
message_items_create(Request *request, int chat)
{
	MessageItems *items;
	QueryQueue	valid = {0};
	bool		atomic;
	int			if_last;

	if (!read_terms(request, &atomic, &if_last))
		return;
	if (request->items.count == 0)
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST, "'data' in the JSON body must not be an empty array.");
		return;
	}
	items = begin(request, chat != 0, atomic);
	if (items == NULL)
		return;
	for (int i = 0; i < items->count; i++)
		read_item(request, &request->items.list[i], (NewMessageTerms) {.chat = chat, .if_last = i == 0 ? if_last : -1},
				  &items->list[i], &valid);
	items->sent = items->waiting = valid.count;
	if (atomic && valid.count < items->count)
		refuse_others(request, &valid);
	else if (atomic)
		submit_parts(request, &valid);
	else if (valid.count == 0)
		respond_all(request);
	else
	{
		const char *reason = writes_submit_all(&valid);

		if (reason)
			respond_unavailable(request, reason);
	}
}
