/*
 * hints.c
 *		Hears which chats have changed.
 *
 * A session of its own waits in the database, by chat.wait_for_changes(), whoever changes chats.
 * It returns in the moment after a commit. If it cannot say which chats have changed, all that are
 * followed are looked at (sweep.c).
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "db/rows.h"
#include "db/sessions.h"
#include "streams/cursor_watch.h"
#include "streams/directory.h"
#include "streams/group.h"
#include "streams/hints.h"
#include "streams/sweep.h"

/* Less than any statement timeout. */
#define WAIT "500"

#define PAUSE 1000				/* after a failure, ms */

/* Columns of WAIT_FOR_CHANGES. */
enum
{
	HINT_POSITION,
	HINT_APPLICATIONS,
	HINT_CHATS,
	HINT_EVERYTHING
};

static bool waiting;			/* the statement is in flight */
static char position[24];		/* "": none */
static uint64_t not_before;		/* after a failure */

/* Parses the next number of an array, {1,2,3}, and moves behind it. */
static int
next_number(char **array)
{
	return (int) strtol(*array + 1, array, 10);
}

static void
take_hints(const PGresult *result)
{
	char	   *applications = PQgetvalue(result, 0, HINT_APPLICATIONS);
	char	   *chats = PQgetvalue(result, 0, HINT_CHATS);

	snprintf(position, sizeof(position), "%s", PQgetvalue(result, 0, HINT_POSITION));
	if (*PQgetvalue(result, 0, HINT_EVERYTHING) == 't')
	{
		sweep_all();
		directories_all_changed();
		cursors_all_changed();
		return;
	}
	if (applications[1] == '}')
		return;
	while (*applications == '{' || *applications == ',')
	{
		int			application = next_number(&applications);
		int			chat = next_number(&chats);

		if (chat == 0)
			directories_changed(application);
		else if (chat < 0)
			cursors_changed(application, -chat);
		else
			groups_chat_changed(application, chat);
	}
}

static void
on_done(Operation *operation, const PGresult *result)
{
	(void) operation;
	waiting = false;
	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
		take_hints(result);
	else
		not_before = loop_now() + PAUSE;
}

void
hints_run(void)
{
	static Operation operation = {.done = on_done, .alone = true};
	const char *values[] = {*position ? position : NULL, WAIT};
	Session    *session;

	if (waiting || topics_count() == 0 || loop_now() < not_before)
		return;
	session = session_pick(pool_for(WAIT_FOR_CHANGES, POOL_LISTEN), 0, 1);
	if (session == NULL)
		return;
	waiting = true;
	session_send(session, &operation, WAIT_FOR_CHANGES, &(Parameters) {.count = 2, .values = values});
}
