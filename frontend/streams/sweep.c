/*
 * sweep.c
 *		Finds changes of the followed chats that nothing has told of.
 *
 * A hint can be lost: who waits for changes was not connected, or rows were changed without
 * triggers. So once a second the positions of all followed chats are compared with those of their
 * groups. Where a group is beyond what a standby has, the primary is asked whether there is such a
 * position. It is done in slices, one at a time, and each is a single statement; the slices
 * of a sweep that was not asked for are spread over the second.
 */
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "db/parameters.h"
#include "db/rows.h"
#include "db/sessions.h"
#include "streams/group.h"
#include "streams/sweep.h"

#define SLICE_TOPICS 500
#define SLICES_BESIDE 8			/* other operations in the session of a slice, at most */
#define SPREAD 1000				/* over which a sweep is spread, ms */

/* Columns of GET_POSITIONS. */
enum
{
	FOUND_APPLICATION,
	FOUND_NUMBER,
	FOUND_REVISION,
	FOUND_IN_RECOVERY,
	FOUND_ITEM
};

static Topic *topics[SLICE_TOPICS]; /* of the slice in flight; held */
static int	topic_count;
static bool from_primary;		/* it is, not from a standby */
static uint64_t sent_at;		/* in group_time() */
static Topic *next;				/* the first of the next slice, held; NULL: no sweep is under way */
static bool hurried;			/* the slices follow at once */
static bool again;				/* another sweep is wanted */
static int	remaining;			/* topics, roughly, of the sweep that is under way */
static uint64_t next_at;		/* when the next slice is due */
static Timer timer;

static void
on_timer(void *unused)
{
	(void) unused;				/* the next iteration of the loop sends the slice */
}

static void
sweep_begin(bool at_once)
{
	next = topics_first();
	if (next == NULL)
		return;
	topic_hold_again(next);
	hurried = at_once;
	remaining = topics_count();
	next_at = loop_now();
}

void
sweep_all(void)
{
	if (next || topic_count > 0)
		again = hurried = true;
	else
		sweep_begin(true);
}

void
sweep_tick(void)
{
	if (next == NULL && topic_count == 0)
		sweep_begin(false);
}

/* The slice has been looked at, or not. */
static void
slice_end(void)
{
	for (int i = 0; i < topic_count; i++)
		topic_release(topics[i]);
	topic_count = 0;
	if (next == NULL && again)
	{
		again = false;
		sweep_begin(true);
	}
}

static void slice_send(Session *session);

static void
slice_done(Operation *operation, const PGresult *result)
{
	Rows		rows = {.result = result, .count = result ? PQntuples(result) : 0};
	bool		beyond = false;
	Session    *primary;

	(void) operation;
	for (int row = 0; row < rows.count; row++)
	{
		int			item = rows_number(&rows, row, FOUND_ITEM);
		Position	position = {rows_number(&rows, row, FOUND_NUMBER), rows_number(&rows, row, FOUND_REVISION)};

		/* A standby may have yet to see what was seen elsewhere. */
		if (item >= 1 && item <= topic_count)
			beyond |= groups_topic_found(topics[item - 1], position, sent_at,
										 *PQgetvalue(result, row, FOUND_IN_RECOVERY) == 'f');
	}
	primary = beyond && !from_primary ? session_pick(POOL_READ, 0, SLICES_BESIDE) : NULL;
	if (primary)
		slice_send(primary);
	else
		slice_end();
}

/* Takes the topics of the next slice. */
static void
slice_take(void)
{
	while (next && topic_count < SLICE_TOPICS)
	{
		topics[topic_count++] = next;
		next = next->next;
		if (next)
			topic_hold_again(next);
	}
}

static void
slice_send(Session *session)
{
	static Operation operation = {.done = slice_done, .alone = true};
	static Array tokens;
	static Array chats;
	const int	formats[] = {1, 1};

	from_primary = !POOL_IS_STANDBY(session->pool);
	array_begin(&tokens, ARRAY_OF_TEXTS, topic_count);
	array_begin(&chats, ARRAY_OF_INTEGERS, topic_count);
	for (int i = 0; i < topic_count; i++)
	{
		array_add_text(&tokens, topics[i]->token, topics[i]->token_length);
		array_add_number(&chats, topics[i]->chat);
	}
	sent_at = group_time();
	if (array_is_complete(&tokens) && array_is_complete(&chats))
	{
		const char *values[] = {tokens.bytes, chats.bytes};
		const int	lengths[] = {(int) tokens.used, (int) chats.used};

		session_send(session, &operation, GET_POSITIONS, &(Parameters) {2, values, lengths, formats, 0, NULL});
	}
	else
		slice_end();
}

void
sweep_run(void)
{
	Session    *session;

	if (next == NULL || topic_count > 0)
		return;
	if (!hurried && loop_now() < next_at)
		return;
	session = session_pick(pool_for(GET_POSITIONS, POOL_READ), 0, SLICES_BESIDE);
	if (session == NULL)
		return;
	slice_take();
	slice_send(session);
	remaining -= SLICE_TOPICS;
	if (next && !hurried)
	{
		next_at = loop_now() + SPREAD * SLICE_TOPICS / (remaining + 2 * SLICE_TOPICS);
		timer.fire = on_timer;
		loop_arm(&timer, next_at);
	}
}
