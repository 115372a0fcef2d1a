/*
 * exports.c
 *		Exports: results that are larger than memory, read page by page.
 *
 *		  connecting          OPEN_EXPORT, MEASURE_EXPORT,        READ_EXPORT
 *	 free ----------> opening ------------------------> open ----------------.
 *	  ^                  |    REWIND_EXPORT              |  ^---------------'
 *	  '------------------+-------------------------------'
 *			  the session is closed, which frees all that the server has
 *
 * A backend that still collects rows for a session which was closed ends within a second, by
 * client_connection_check_interval. statement_timeout does not end it, since the rows of a cursor
 * WITH HOLD are collected when its transaction commits; chatd's own deadline does (session_tick()).
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/settings.h"
#include "db/availability.h"
#include "db/exports.h"

struct Export
{
	Session		session;
	bool		in_use;
	bool		connected;		/* the session was opened, and is to be closed */
	Query	   *query;			/* that opens it; NULL: it is open */
	bool		(*wanted) (Query *query);
	char	   *application;	/* its token */
	Parameters	none;			/* of the statements that have no other than the label */
	char		label[LABEL_SIZE];
	bool		sent;			/* the query was sent */
	Query		opening;		/* a copy, since the query may be gone before its statement is done */
	Operation	measuring;
	Operation	rewinding;
	Operation	reading;
	bool		is_read;		/* a page is wanted */
	void		(*take) (void *owner, const char *page, size_t length);
	void	   *owner;
};

static Export *exports;

/* Takes the query from an export that is not to be opened by it any more, or that is open. */
static Query *
take_query(Export *export)
{
	Query	   *query = export->query;

	export->query = NULL;
	return query;
}

/* The export has failed, with a result or none. */
static void
fail(Export *export, const PGresult *result)
{
	Query	   *query = take_query(export);

	export_close(export);
	query_fail(query, result);
}

/* The same without having been sent. */
static void
refuse(Export *export, const char *message)
{
	Query	   *query = take_query(export);

	export_close(export);
	query_refuse(query, message);
}

#define EXPORT_OF(operation, member) ((Export *) ((char *) (operation) - offsetof(Export, member)))

static void
on_measured(Operation *operation, const PGresult *result)
{
	Export	   *export = EXPORT_OF(operation, measuring);

	if (export->query == NULL)
		return;
	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
		query_finish(take_query(export), result);
	else
		fail(export, result);
}

/* If it has failed, the pages do not have the bytes that they are to have. */
static void
on_rewound(Operation *operation, const PGresult *result)
{
	(void) operation;
	(void) result;
}

static void
on_opened(Operation *operation, const PGresult *result)
{
	Export	   *export = EXPORT_OF(operation, opening.operation);

	if (export->query == NULL)
		return;
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		fail(export, result);
		return;
	}
	export->measuring.done = on_measured;
	export->rewinding.done = on_rewound;
	session_send(&export->session, &export->measuring, MEASURE_EXPORT, &export->none);
	session_send(&export->session, &export->rewinding, REWIND_EXPORT, &export->none);
}

/* Hands over the page that is wanted, or NULL. */
static void
hand_over(Export *export, const char *page, size_t length)
{
	if (!export->in_use || !export->is_read)
		return;
	export->is_read = false;
	export->take(export->owner, page, length);
}

static void
on_page(Operation *operation, const PGresult *result)
{
	Export	   *export = EXPORT_OF(operation, reading);

	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
		hand_over(export, PQgetvalue(result, 0, 0), PQgetlength(result, 0, 0));
	else
		hand_over(export, NULL, 0);
}

/* Can another session be opened here? One that is still connecting cannot be ended. */
static bool
is_free(const Export *export)
{
	return !export->in_use && !export->connected && export->session.state == DOWN;
}

Export *
export_open(Query *query, bool (*wanted) (Query *query))
{
	const char *application = query->values[0].text;
	Export	   *found = NULL;
	int			same = 0;

	if (exports == NULL)
		exports = calloc(settings.exports, sizeof(Export));
	for (int i = 0; exports && i < settings.exports; i++)
	{
		if (exports[i].in_use && strcmp(exports[i].application, application) == 0)
			same++;
		if (is_free(&exports[i]))
			found = &exports[i];
	}
	if (found == NULL || same >= (settings.exports + 1) / 2)
	{
		query_refuse(query, exports ? "There are too many exports." : "Out of memory.");
		return NULL;
	}
	found->application = strdup(application);
	if (found->application == NULL)
	{
		query_refuse(query, "Out of memory.");
		return NULL;
	}
	found->in_use = found->connected = true;
	found->sent = found->is_read = false;
	found->query = query;
	found->none = (Parameters) {.label = queries_label(query, found->label)};
	found->wanted = wanted;
	session_open(&found->session, POOL_EXPORT);
	return found;
}

void
export_read(Export *export, void (*take) (void *owner, const char *page, size_t length), void *owner)
{
	export->take = take;
	export->owner = owner;
	export->is_read = true;
	export->reading.done = on_page;
	if (export->session.state == READY)
		session_send(&export->session, &export->reading, READ_EXPORT, &export->none);
}

/* The session may be in use now: it is closed with this iteration of the loop. */
void
export_close(Export *export)
{
	export->in_use = false;
	export->query = NULL;
	free(export->application);
	export->application = NULL;
}

/* Sends the query once the session is ready, or fails it. */
static void
open_when_ready(Export *export)
{
	if (session_is_usable(&export->session))
	{
		export->sent = true;
		export->opening = *export->query;
		query_send(&export->session, &export->opening, on_opened);
	}
	else if (export->session.tried)
		refuse(export, database_unavailable());
}

/* Closes the session of an export that nobody has any more, or whose cursor is lost. */
static void
close_session(Export *export)
{
	session_close(&export->session);
	export->connected = false;
}

static void
run(Export *export)
{
	bool		open = export->in_use && export->query == NULL;

	if (export->query && !export->sent)
		open_when_ready(export);
	if (export->connected)
		session_flush(&export->session);
	if (export->connected && export->session.state != CONNECTING && (!export->in_use || (open && export->session.state != READY)))
		close_session(export);
	if (open && !export->connected)
		hand_over(export, NULL, 0);
}

void
exports_run(void)
{
	for (int i = 0; exports && i < settings.exports; i++)
		run(&exports[i]);
}

void
exports_tick(void)
{
	for (int i = 0; exports && i < settings.exports; i++)
	{
		Export	   *export = &exports[i];

		if (export->connected)
			session_tick(&export->session);
		if (export->query && !export->wanted(export->query))
			refuse(export, "The client has gone.");
	}
}

void
exports_close(void)
{
	for (int i = 0; exports && i < settings.exports; i++)
	{
		Export	   *export = &exports[i];

		if (export->query && !export->sent)
			refuse(export, "The server is stopping.");
		if (export->connected)
			close_session(export);
	}
}
