/*
 * fact.c
 *		Facts: a cache of what the database knows about credentials, for a
 *		second at most.
 *
 * The second begins when the database is asked, since its answer may be that
 * old.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "access/fact.h"
#include "common/loop.h"
#include "db/reads.h"

#define FACTS 4096				/* the most that wait for the database, by default, and those of
								 * one address are fewer */
#define BUCKETS 8192			/* a power of two */

typedef struct Fact
{
	const FactType *type;		/* NULL: the entry is free */
	Digest		name;
	bool		asked;			/* the database has yet to answer */
	uint64_t	until;			/* when it expires */
	void	   *value;
	FactWaiter *waiters;
	Query		query;
	char	   *texts;			/* of the query's parameters, and its label */
	struct Fact *next_in_bucket;
	struct Fact *newer;			/* list by last use */
	struct Fact *older;
} Fact;

static Fact *facts;
static Fact *buckets[BUCKETS];
static Fact *newest;
static Fact *oldest;

/* Allocates the table. Returns false if out of memory. */
static bool
prepare(void)
{
	if (facts)
		return true;
	facts = calloc(FACTS, sizeof(Fact));
	for (int i = 0; facts && i < FACTS; i++)
	{
		facts[i].newer = i > 0 ? &facts[i - 1] : NULL;
		facts[i].older = i < FACTS - 1 ? &facts[i + 1] : NULL;
	}
	if (facts)
	{
		newest = &facts[0];
		oldest = &facts[FACTS - 1];
	}
	return facts != NULL;
}

static Fact **
bucket_place(const FactType *type, const Digest *name)
{
	uint32_t	hash;
	Fact	  **place;

	memcpy(&hash, name->bytes, sizeof(hash));
	place = &buckets[hash % BUCKETS];
	while (*place && ((*place)->type != type || memcmp(&(*place)->name, name, sizeof(Digest)) != 0))
		place = &(*place)->next_in_bucket;
	return place;
}

/* Moves a fact to the recent end of the list. */
static void
touch(Fact *fact)
{
	if (fact == newest)
		return;
	fact->newer->older = fact->older;
	if (fact->older)
		fact->older->newer = fact->newer;
	else
		oldest = fact->newer;
	fact->newer = NULL;
	fact->older = newest;
	newest->newer = fact;
	newest = fact;
}

static void
forget_value(Fact *fact)
{
	if (fact->value)
		fact->type->free(fact->value);
	fact->value = NULL;
	free(fact->texts);
	fact->texts = NULL;
}

/* Returns an entry for a new fact of this name, or NULL if all entries wait for the database. */
static Fact *
fact_new(const FactType *type, const Digest *name)
{
	Fact	   *fact = prepare() ? oldest : NULL;

	while (fact && fact->asked)
		fact = fact->newer;
	if (fact == NULL)
		return NULL;
	if (fact->type)
	{
		*bucket_place(fact->type, &fact->name) = fact->next_in_bucket;
		forget_value(fact);
	}
	fact->type = type;
	fact->name = *name;
	fact->next_in_bucket = NULL;
	*bucket_place(type, name) = fact;
	touch(fact);
	return fact;
}

/* Returns the fact of a name, which may have expired, or NULL. */
static Fact *
fact_find(const FactType *type, const Digest *name)
{
	Fact	   *fact = facts ? *bucket_place(type, name) : NULL;

	if (fact)
		touch(fact);
	return fact;
}

static Fact *
fact_of_query(Query *query)
{
	return (Fact *) ((char *) query - offsetof(Fact, query));
}

/*
 * Passes the answer of the database to the waiters. They may ask for more
 * facts; so this one remains marked as asked for until all have been called,
 * and is not evicted.
 */
static void
tell(Fact *fact, const Failure *failure)
{
	FactWaiter *waiter;

	while ((waiter = fact->waiters) != NULL)
	{
		fact->waiters = waiter->next;
		if (failure)
			waiter->failed(waiter, failure);
		else
			waiter->found(waiter, fact->value, fact->until);
	}
	fact->asked = false;
}

static void
on_row(Query *query, const Rows *rows)
{
	Fact	   *fact = fact_of_query(query);

	fact->value = fact->type->read(rows);
	tell(fact, NULL);
}

static void
on_failure(Query *query, const Failure *failure)
{
	Fact	   *fact = fact_of_query(query);

	/* The absence of a row is an answer, too. */
	if (failure->sqlstate && strcmp(failure->sqlstate, NO_SUCH_ROW) == 0)
		tell(fact, NULL);
	else
	{
		fact->until = 0;
		tell(fact, failure);
	}
}

/* Sends the query for a fact. Returns false if out of memory. */
static bool
send_question(Fact *fact, const FactParameters *parameters, const FactWaiter *waiter)
{
	size_t		length = parameters->first_length + parameters->second_length;
	const char *label = waiter->label ? waiter->label : "";

	forget_value(fact);
	fact->texts = malloc(length + 2 + strlen(label) + 1);
	if (fact->texts == NULL)
		return false;
	memcpy(fact->texts, parameters->first, parameters->first_length);
	fact->texts[parameters->first_length] = '\0';
	if (parameters->second)
		memcpy(fact->texts + parameters->first_length + 1, parameters->second, parameters->second_length);
	fact->texts[length + 1] = '\0';
	strcpy(fact->texts + length + 2, label);

	fact->asked = true;
	fact->until = loop_now() + FACT_LIFETIME;
	fact->query = (Query) {
		.statement = fact->type->statement,
		.pool = POOL_READ,
		.max_rows = 1,
		.since = loop_now(),
		.caller = waiter->caller,
		.waiting = waiter->waiting,
		.of_credential = true,
		.label = fact->texts + length + 2,
		.succeeded = on_row,
		.failed = on_failure,
	};
	query_add_text(&fact->query, fact->texts, parameters->first_length);
	if (parameters->second)
		query_add_text(&fact->query, fact->texts + parameters->first_length + 1, parameters->second_length);
	else if (parameters->number)
		query_add_number(&fact->query, parameters->number);
	reads_submit(&fact->query);
	return true;
}

bool
fact_tell(const FactType *type, const Digest *name, FactWaiter *waiter)
{
	Fact	   *fact = fact_find(type, name);

	if (fact == NULL || fact->asked || fact->until <= loop_now())
		return false;
	waiter->found(waiter, fact->value, fact->until);
	return true;
}

void
fact_ask(const FactType *type, const Digest *name, const FactParameters *parameters, FactWaiter *waiter)
{
	Fact	   *fact = fact_find(type, name);

	if (fact == NULL)
		fact = fact_new(type, name);
	if (fact == NULL)
	{
		waiter->failed(waiter, &(Failure) {.message = "The server is busy."});
		return;
	}
	waiter->next = fact->waiters;
	fact->waiters = waiter;
	if (!fact->asked && !send_question(fact, parameters, waiter))
		tell(fact, &(Failure) {.message = "Out of memory."});
}

void *
fact_recall(const FactType *type, const Digest *name)
{
	Fact	   *fact = fact_find(type, name);

	return fact && fact->until > loop_now() ? fact->value : NULL;
}

void
fact_remember(const FactType *type, const Digest *name, void *value, uint64_t until)
{
	Fact	   *fact = fact_find(type, name);

	if (fact == NULL)
		fact = fact_new(type, name);
	if (fact == NULL)
	{
		type->free(value);
		return;
	}
	forget_value(fact);
	fact->value = value;
	fact->until = until;
}

void
facts_expire(void)
{
	for (int i = 0; facts && i < FACTS; i++)
		if (!facts[i].asked)
			facts[i].until = 0;
}
