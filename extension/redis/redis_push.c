/*
 * redis_push.c
 *	  Writing counters that changed to Redis.
 *
 * To push is to write the changes that shared memory announces. To fill is to
 * write all keys of an application, such as one that has just got a new token.
 * Both are done in slices.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "changes/change_subscribers.h"
#include "changes/shmem.h"
#include "redis/redis_keys.h"
#include "redis/redis_push.h"

/*
 * Take the changes from shared memory, unless some are yet to be pushed.
 * Returns false if they are not known completely: then everything must be
 * verified.
 */
bool
redis_push_take_changes(RedisPush *push)
{
	MemoryContext caller;
	bool		all;

	if (push->changes != NULL || !shmem_available())
		return true;
	caller = MemoryContextSwitchTo(TopMemoryContext);
	push->count = change_subscriber_take(SUBSCRIBER_REDIS, &push->changes, &all);
	MemoryContextSwitchTo(caller);
	qsort(push->changes, push->count, sizeof(ChatKey), chat_key_order);
	push->pushed = 0;
	return !all;
}

/* Add an application to those to be filled. */
void
redis_push_add_fill(RedisPush *push, int32 application)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	push->fills = lappend_int(push->fills, application);
	MemoryContextSwitchTo(caller);
}

/* Add those applications that have chats, and no key of their own yet. */
static void
fill_new_applications(RedisPush *push, RedisCounter *counters, int count)
{
	RedisCounter **applications = palloc((count + 1) * sizeof(RedisCounter *));
	int			found = 0;

	for (int i = 0; i < count; i++)
		if (counters[i].parent.chat == 0 && counters[i].value > 0)
			applications[found++] = &counters[i];
	redis_counters_ask(applications, found);
	for (int i = 0; i < found; i++)
		if (applications[i]->answer == ANSWER_MISSING)
			redis_push_add_fill(push, applications[i]->parent.application);
}

/* Push a slice of the changes. Returns whether there are more. */
bool
redis_push_changes(RedisPush *push, JobRun *run)
{
	RedisCounter *counters;
	int			count;
	int			found;

	if (push->changes == NULL)
		return false;
	count = Min(REDIS_COUNTERS_SLICE, push->count - push->pushed);
	if (count > 0)
	{
		found = redis_counters_of(push->changes + push->pushed, count, &counters);
		fill_new_applications(push, counters, found);
		redis_counters_write(redis_counters_list(counters, found), found);
		push->pushed += count;
		run->done += found;
	}
	if (push->pushed < push->count)
		return true;
	pfree(push->changes);
	push->changes = NULL;
	return false;
}

/* Write a slice of the first application to be filled. Returns false if there is none. */
bool
redis_push_fill(RedisPush *push, JobRun *run)
{
	RedisCounter *counters;
	int32		application;
	int			count;
	int			own = 0;

	if (push->fills == NIL)
		return false;
	application = linitial_int(push->fills);
	if (push->fill_position.application != application)
		push->fill_position = (ChatKey) {application - 1, PG_INT32_MAX};
	count = redis_counters_after(push->fill_position, &counters);
	while (own < count && counters[own].parent.application == application)
		own++;
	redis_counters_write(redis_counters_list(counters, own), own);
	run->done += own;
	if (own == REDIS_COUNTERS_SLICE)
		push->fill_position = counters[own - 1].parent;
	else
	{
		push->fills = list_delete_first(push->fills);
		push->fill_position = (ChatKey) {0, 0};
	}
	return true;
}

/*
 * Skip the changes so far, with another Redis. They must not be pushed: that
 * would overwrite numbers that lead, which the verification of everything is to
 * report.
 */
void
redis_push_skip_changes(RedisPush *push)
{
	redis_push_reset(push);
	change_subscriber_skip(SUBSCRIBER_REDIS);
}

/* Forget the changes and fills that are yet to be written. */
void
redis_push_reset(RedisPush *push)
{
	if (push->changes != NULL)
		pfree(push->changes);
	list_free(push->fills);
	*push = (RedisPush) {0};
}
