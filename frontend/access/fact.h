/*
 * fact.h
 *		Facts: a cache of what the database knows about credentials, for a
 *		second at most.
 *
 * A fact has a type, and a digest as its name. If it is not cached, the caller
 * waits for it; the database is asked once, however many callers wait. Facts are
 * in a table of a fixed size; if it is full, the least recently used one is
 * evicted.
 */
#ifndef CHATD_FACT_H
#define CHATD_FACT_H

#include <stdint.h>

#include "access/digest.h"
#include "db/query.h"

#define FACT_LIFETIME 1000		/* ms */

/* A type of facts: the statement that queries them, and functions for their values. */
typedef struct FactType
{
	StatementId statement;

	/* Returns the value of a row; NULL if there is none, or out of memory. */
	void	   *(*read) (const Rows *rows);
	void		(*free) (void *value);
} FactType;

/* The parameters of a statement that asks for a fact. */
typedef struct FactParameters
{
	const char *first;
	size_t		first_length;
	const char *second;			/* NULL: number is the second */
	size_t		second_length;
	int			number;			/* 0: none */
} FactParameters;

/*
 * A waiter for a fact, embedded in the struct that it serves. Exactly one of
 * the two functions is called, once.
 */
typedef struct FactWaiter
{
	/*
	 * value is NULL if the database has no such row; it remains valid until a later turn of the
	 * loop.
	 */
	void		(*found) (struct FactWaiter *waiter, void *value, uint64_t until);
	void		(*failed) (struct FactWaiter *waiter, const Failure *failure);
	uint64_t	caller;			/* whose turn the question takes */
	int		   *waiting;		/* see Query */
	const char *label;			/* see Query; or NULL */
	struct FactWaiter *next;
} FactWaiter;

/* Is the fact of a name known? Then its waiter is called before this returns. */
extern bool fact_tell(const FactType *type, const Digest *name, FactWaiter *waiter);

/* Asks the database for a fact, unless that is under way. The waiter may be called before this returns. */
extern void fact_ask(const FactType *type, const Digest *name, const FactParameters *parameters, FactWaiter *waiter);

/* Returns the value of a fact that fact_remember() stored, or NULL. */
extern void *fact_recall(const FactType *type, const Digest *name);

/*
 * Stores a fact that was computed here, until a time, but at most for
 * FACT_LIFETIME. Takes ownership of the value.
 */
extern void fact_remember(const FactType *type, const Digest *name, void *value, uint64_t until);

/* Has the database asked anew about all credentials. */
extern void facts_expire(void);

#endif
