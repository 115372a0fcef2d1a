/*
 * query.h
 *		A query: one statement with its parameters and callbacks.
 *
 * A query is embedded in the struct that it serves. Whoever submits it to
 * reads.c or writes.c fills it in and keeps it, and the texts it refers to, until
 * one of its two callbacks is called; either is called once, possibly before the
 * submission returns.
 */
#ifndef CHATD_QUERY_H
#define CHATD_QUERY_H

#include <stddef.h>
#include <stdint.h>

#include "db/rows.h"
#include "db/session.h"
#include "db/statements.h"

/* SQLSTATEs */
#define NO_SUCH_ROW "P0002"		/* a parent is missing */
#define LOCKED "55P03"			/* another transaction has a lock on it */
#define NOT_ALONE "40000"		/* all or none were wanted, and another was refused */
#define OTHER_REVISION "55000"	/* a message does not have the revision that it was to have */
#define OTHER_SENDER "42501"	/* nor the sender */
#define NOT_ALLOWED "42501"		/* chatd's role lacks the privilege */
#define UNSTORABLE "22P05"		/* a character that the database's encoding lacks */

#define QUERY_VALUES 10			/* the most parameters of a statement */
#define LABEL_SIZE 512

/* A parameter: a text, a number, or the array of two numbers. */
typedef struct QueryValue
{
	const char *text;			/* NULL: a number */
	size_t		length;			/* of the text */
	int			first;			/* if not 0: the array's first number */
	int			number;			/* 0: null, unless is_zero is set */
	bool		is_zero;
} QueryValue;

/* Why a query failed. */
typedef struct Failure
{
	const char *sqlstate;		/* NULL: the server did not report an error */
	bool		unknown;		/* a write that may be committed or not */
	const char *column;			/* the column that the error is about, or NULL */
	const char *message;
	const char *hint;			/* or NULL */
	int			last_number;	/* of the chat, if it is not if_last */
} Failure;

typedef struct Query Query;

/* Queries, first in, first out. */
typedef struct QueryQueue
{
	Query	   *first;
	Query	   *last;
	int			count;
} QueryQueue;

struct Query
{
	Operation	operation;
	StatementId statement;
	Pool		pool;			/* of a read, as if all were at the primary until it is submitted;
								 * POOL_WRITE: of a write */
	bool		from_primary;	/* a read that a standby must not answer */
	uint64_t	lsn;			/* of a read: the server must have replayed it; of a write that
								 * succeeded: its commit ends before; 0: any, unknown */
	int			count;
	QueryValue	values[QUERY_VALUES];
	QueryQueue	parts;			/* of CREATE_ALL_MESSAGES and the imports: the messages */
	int			max_rows;		/* of a read's result */
	bool		repeatable;		/* of a write: executed twice it has the same effect as once */
	bool		repeated;		/* it may have been executed already */
	uint64_t	since;			/* when its wait began, see queries_expire() */
	uint64_t	caller;			/* who takes turns with others; 0: chatd itself */
	bool		of_credential;	/* about a credential: it is no application's yet */
	uint64_t	replay_due;		/* until when it waits for a standby, see replay.c; 0: it has not
								 * waited */
	const char *label;			/* what it is for, see queries_label(); or NULL */

	/* The rows of the result, which are valid during the call. */
	void		(*succeeded) (Query *query, const Rows *rows);

	/* The query failed, or was not sent; failure is valid during the call. */
	void		(*failed) (Query *query, const Failure *failure);

	Query	   *next;			/* in a queue or a batch */
	uint64_t	queued_at;		/* by loop_clock() */

	uint64_t	order;			/* see keyed_queue.c */
	struct QueryKey *key;
	struct QueryOwner *owner;	/* see fair_queue.c */

	/* The count of queries that wait for the same address; NULL: not counted. */
	int		   *waiting;
};

/* Appends a query. */
extern void query_push(QueryQueue *queue, Query *query);

/* Takes the oldest query; NULL if the queue is empty. */
extern Query *query_pop(QueryQueue *queue);

/*
 * May the query, and others of its client, count altogether, wait beside others? Not if they
 * become more than max_queue allows, nor if its client's become more than seven eighths of
 * that. Any count may where nothing waits.
 */
extern bool query_may_wait(const Query *query, int count, int others);

/* Counts the query as waiting from now on. */
extern void query_begin_wait(Query *query);

/* No longer counts the query as waiting, and notes for how long it has. */
extern void query_end_wait(Query *query);

/* A hash of a text. */
extern uint32_t text_hash(const char *text, size_t length);

/* The bytes of the query's texts. */
extern size_t query_size(const Query *query);

/* Adds a text as the next parameter; it must live as long as the query. */
extern void query_add_text(Query *query, const char *text, size_t length);

/* Adds a number as the next parameter; 0 stands for null. */
extern void query_add_number(Query *query, int number);

/* Adds a number as the next parameter; -1 stands for null. */
extern void query_add_number_or_zero(Query *query, int number);

/* Adds an array of two numbers as the next parameter; null if the first is 0. */
extern void query_add_pair(Query *query, int first, int second);

/*
 * Writes the label of a statement for these queries, from the first on by their links: what it is
 * for, as far as there is room. It is a parameter that no statement uses. If the statement
 * fails, the extension adds it to what the server logs (request_label.c there); the server itself
 * shows it with the parameters of slow statements. Returns label, or NULL if no query has one.
 */
extern const char *queries_label(const Query *first, char label[LABEL_SIZE]);

/* Sends the query by itself; done is called with its operation and result. */
extern void query_send(Session *session, Query *query,
					   void (*done) (Operation *operation, const PGresult *result));

/* The query that an operation belongs to. */
extern Query *query_of(Operation *operation);

/* Ends a query with the result of its statement; NULL: the connection was lost. */
extern void query_finish(Query *query, const PGresult *result);

/* Ends a query with a failed result; NULL: the connection was lost. */
extern void query_fail(Query *query, const PGresult *result);

/* Ends a query that fails without an error of the server; message is for people. */
extern void query_refuse(Query *query, const char *message);

/* Ends a write that may or may not have been committed. */
extern void query_lose(Query *query);

/*
 * Fails the queries of a queue that have waited for longer than the request timeout, or
 * all of them but for those that may have been executed already: they wait on.
 */
extern void queries_expire(QueryQueue *queue, bool all);

#endif
