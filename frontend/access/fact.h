/*
 * fact.h
 *		Facts: what the database says of credentials, known for a second at most.
 *
 * A fact has a type, and a name of one or two texts. Who wants to know one that is
 * not known, waits for it; however many wait for one fact, the database is asked
 * once. Facts are in a table of a fixed size, from which those go first that nobody
 * has asked for longest.
 */
#ifndef CHATD_FACT_H
#define CHATD_FACT_H

#include <stdint.h>

#include "access/digest.h"
#include "db/query.h"

#define FACT_LIFETIME 1000		/* ms */

/* A statement that asks for facts of a type, and what its row becomes. */
typedef struct FactType
{
	StatementId statement;

	/* The value that a row stands for; NULL if it stands for none, or without memory. */
	void	   *(*read) (const Rows *rows);
	void		(*free) (void *value);
} FactType;

/* The name of a fact: the parameters of its statement. */
typedef struct FactName
{
	const char *first;
	size_t		first_length;
	const char *second;			/* NULL: number is the second */
	size_t		second_length;
	int			number;			/* 0: none */
} FactName;

/* Who waits for a fact; embedded in what it serves. One of both is called, once. */
typedef struct FactWaiter
{
	/* value is NULL if there is no such thing; it is there until a later turn of the loop. */
	void		(*found) (struct FactWaiter *waiter, void *value, uint64_t until);
	void		(*failed) (struct FactWaiter *waiter, const Failure *failure);
	struct FactWaiter *next;
} FactWaiter;

/* Asks for a fact. Its waiter may be called before this returns. */
extern void fact_ask(const FactType *type, const FactName *name, FactWaiter *waiter);

/*
 * Facts that are concluded here: is there one, and if so its value? And remember one
 * until a time, but no longer than a second; takes over the value.
 */
extern void *fact_recall(const FactType *type, const Digest *name);
extern void fact_remember(const FactType *type, const Digest *name, void *value, uint64_t until);

#endif
