/*
 * writes.h
 *		Queries that change something: new messages in batches, all others one by one.
 */
#ifndef CHATD_WRITES_H
#define CHATD_WRITES_H

#include "db/message_arrays.h"

/* Columns of the results. */
enum
{
	OUTCOME_NUMBER,
	OUTCOME_SQLSTATE,			/* null: the message is there */
	OUTCOME_FIELD,
	OUTCOME_MESSAGE,
	OUTCOME_CREATED_AT,
	OUTCOME_METADATA,			/* as it is stored */
	OUTCOME_REVISION,
	OUTCOME_REPLAYED			/* t: it was there already, by its key */
};

/* Is the message of a row created? */
extern bool outcome_is_success(const PGresult *result, int row);

/* Why the message of a row was refused. */
extern Failure outcome_failure(const PGresult *result, int row);

/*
 * Queues a query that changes something. Fails it at once if the database is not connected or the queue is full.
 */
extern void writes_submit(Query *query);

/*
 * Queues queries that create messages, of one client. If the database is not connected or
 * the queue has no room for all, queues none, and returns the reason.
 */
extern const char *writes_submit_all(QueryQueue *queries);

/* At the end of an iteration of the loop: sends queued queries to idle sessions. */
extern void writes_dispatch(void);

/* Once a second: fails queries that have waited too long. */
extern void writes_tick(void);

#endif
