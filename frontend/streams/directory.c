/*
 * directory.c
 *		Applications of which all chats are followed: finds new chats.
 *
 * An application's chats are listed when it may have got one, and now and then, since a hint
 * may be lost.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "db/reads.h"
#include "streams/directory.h"

#define LIST_EVERY 10			/* ticks */

typedef struct Directory
{
	int			application;
	char	   *token;
	size_t		token_length;
	Subscriber *first;
	Subscriber *told;			/* who is told of chats now; NULL: it has left */
	Subscriber *next_told;
	int			count;			/* of the chats that were listed last */
	int			chats[STREAM_CHATS + 1];	/* in their order */
	bool		is_new[STREAM_CHATS + 1];	/* it was not listed before */
	Query		query;
	bool		listing;		/* the query is in flight */
	bool		again;			/* it is to be listed again */
	int			ticks;			/* since it was listed */
	struct Directory *next;
} Directory;

static Directory *directories;

static void list(Directory *directory);

/* Frees a directory that nobody wants any more, unless it is in use. */
static void
directory_end(Directory *directory)
{
	Directory **place = &directories;

	if (directory->first || directory->listing)
		return;
	while (*place != directory)
		place = &(*place)->next;
	*place = directory->next;
	free(directory->token);
	free(directory);
}

static Directory *
directory_of(Query *query)
{
	return (Directory *) ((char *) query - offsetof(Directory, query));
}

static void
listed(Directory *directory)
{
	directory->listing = false;
	if (directory->first == NULL)
		directory_end(directory);
	else if (directory->again)
		list(directory);
}

/* Takes over the chats that were listed, in the order of their numbers. */
static void
find_new(Directory *directory, const Rows *rows)
{
	int			before[STREAM_CHATS + 1];
	int			before_count = directory->count;
	int			next = 0;

	memcpy(before, directory->chats, before_count * sizeof(int));
	directory->count = rows->count;
	for (int i = 0; i < rows->count; i++)
	{
		directory->chats[i] = rows_number(rows, i, 0);
		while (next < before_count && before[next] < directory->chats[i])
			next++;
		directory->is_new[i] = next == before_count || before[next] != directory->chats[i];
	}
}

static void
on_succeeded(Query *query, const Rows *rows)
{
	Directory  *directory = directory_of(query);
	const Audience application = {
		.application = directory->application,
		.token = directory->token,
		.token_length = directory->token_length
	};

	find_new(directory, rows);
	directory->next_told = directory->first;
	while ((directory->told = directory->next_told) != NULL)
	{
		Subscriber *subscriber = directory->told;
		const bool	all = !subscriber->knows_all;

		directory->next_told = subscriber->next;
		subscriber->knows_all = true;
		for (int i = 0; directory->told && i < directory->count; i++)
			if (all || directory->is_new[i])
				subscriber->found(subscriber, &application, directory->chats[i]);
	}
	listed(directory);
}

static void
on_failed(Query *query, const Failure *failure)
{
	Directory  *directory = directory_of(query);

	directory->again = false;
	while (directory->first && failure->sqlstate && strcmp(failure->sqlstate, NO_SUCH_ROW) == 0)
	{
		Subscriber *subscriber = directory->first;

		directory_leave(subscriber);
		subscriber->gone(subscriber);
	}
	listed(directory);
}

static void
list(Directory *directory)
{
	Query	   *query = &directory->query;

	directory->again = directory->listing;
	if (directory->listing)
		return;
	directory->listing = true;
	directory->ticks = 0;
	*query = (Query) {
		.statement = LIST_CHATS,
		.pool = POOL_READ,
		.max_rows = STREAM_CHATS + 1,
		.since = loop_now(),
		.succeeded = on_succeeded,
		.failed = on_failed
	};
	query_add_text(query, directory->token, directory->token_length);
	query_add_number(query, 0);
	query_add_number(query, 0);
	query_add_number(query, STREAM_CHATS + 1);
	reads_submit(query);
}

static Directory *
directory_make(const Audience *audience)
{
	Directory  *directory = calloc(1, sizeof(Directory));

	if (directory == NULL)
		return NULL;
	directory->token = malloc(audience->token_length + 1);
	if (directory->token == NULL)
	{
		free(directory);
		return NULL;
	}
	memcpy(directory->token, audience->token, audience->token_length);
	directory->token[audience->token_length] = '\0';
	directory->token_length = audience->token_length;
	directory->application = audience->application;
	directory->next = directories;
	directories = directory;
	return directory;
}

bool
directory_join(Subscriber *subscriber, const Audience *audience)
{
	Directory  *directory = directories;

	while (directory && (directory->application != audience->application || directory->token_length != audience->token_length ||
						 memcmp(directory->token, audience->token, audience->token_length) != 0))
		directory = directory->next;
	if (directory == NULL)
		directory = directory_make(audience);
	if (directory == NULL)
		return false;
	subscriber->directory = directory;
	subscriber->knows_all = false;
	subscriber->previous = NULL;
	subscriber->next = directory->first;
	if (directory->first)
		directory->first->previous = subscriber;
	directory->first = subscriber;
	list(directory);
	return true;
}

void
directory_leave(Subscriber *subscriber)
{
	Directory  *directory = subscriber->directory;

	if (directory == NULL)
		return;
	subscriber->directory = NULL;
	if (directory->told == subscriber)
		directory->told = NULL;
	if (directory->next_told == subscriber)
		directory->next_told = subscriber->next;
	if (subscriber->next)
		subscriber->next->previous = subscriber->previous;
	if (subscriber->previous)
		subscriber->previous->next = subscriber->next;
	else
		directory->first = subscriber->next;
	directory_end(directory);
}

void
directories_changed(int application)
{
	Directory  *next;

	for (Directory *directory = directories; directory; directory = next)
	{
		next = directory->next;
		if (directory->application == application)
			list(directory);
	}
}

void
directories_all_changed(void)
{
	Directory  *next;

	for (Directory *directory = directories; directory; directory = next)
	{
		next = directory->next;
		list(directory);
	}
}

void
directories_tick(void)
{
	Directory  *next;

	for (Directory *directory = directories; directory; directory = next)
	{
		next = directory->next;
		if (++directory->ticks >= LIST_EVERY)
			list(directory);
	}
}
