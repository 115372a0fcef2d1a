/*
 * fact.h
 *		Facts: what the database says of credentials, known for a second at most.
 *
 * A fact has a type, and a digest as its name. If it is not known, the caller
 * waits for it; the database is asked once, however many wait. Facts are kept in a
 * table of a fixed size, from which the one goes first that was not asked for longest.
 */
#ifndef CHATD_FACT_H
#define CHATD_FACT_H

#include <stdint.h>

#include "access/digest.h"
#include "db/query.h"

#define FACT_LIFETIME 1000		/* ms */

/* A type of facts: the statement that asks for them, and the reading of its row. */
typedef struct FactType
{
	StatementId statement;

	/* The value that a row stands for; NULL if there is none, or out of memory. */
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

/* A waiter for a fact, embedded in the struct that it serves. One of both is called, once. */
typedef struct FactWaiter
{
	/* value is NULL if there is no such thing; it is there until a later turn of the loop. */
	void		(*found) (struct FactWaiter *waiter, void *value, uint64_t until);
	void		(*failed) (struct FactWaiter *waiter, const Failure *failure);
	struct FactWaiter *next;
} FactWaiter;

/*
 * Is the fact of a name known? Then its waiter is called before this returns; else
 * fact_ask() asks for it, of which the waiter may be called before it returns, too.
 */
extern bool fact_tell(const FactType *type, const Digest *name, FactWaiter *waiter);
extern void fact_ask(const FactType *type, const Digest *name, const FactParameters *parameters, FactWaiter *waiter);

/* The value of a fact that fact_remember() has kept; NULL if there is none. */
extern void *fact_recall(const FactType *type, const Digest *name);

/*
 * Keeps a fact that was concluded here, until a time, but for FACT_LIFETIME at most.
 * Takes over the value.
 */
extern void fact_remember(const FactType *type, const Digest *name, void *value, uint64_t until);

#endif
