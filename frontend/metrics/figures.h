/*
 * figures.h
 *		The figures of each loop, in memory that the loops share.
 */
#ifndef CHATD_FIGURES_H
#define CHATD_FIGURES_H

#include "metrics/histogram.h"

#define FIGURE_ROUTES 64
#define FIGURE_NO_ROUTE (FIGURE_ROUTES - 1) /* of requests that have none */
#define FIGURE_METHODS 8
#define FIGURE_STATUSES 26
#define FIGURE_POOLS 8
#define FIGURE_STATES 4

/* The queues of requests that wait for the database. */
typedef enum FigureQueue
{
	QUEUE_OF_MESSAGES,
	QUEUE_OF_CREATIONS,
	QUEUE_OF_READS,
	QUEUE_OF_LARGE_READS,
	QUEUE_OF_SEARCHES,
	QUEUE_OF_REPLAY,			/* these wait for a standby */
	FIGURE_QUEUES
}			FigureQueue;

/* Why the primary was asked instead of a standby. */
typedef enum FigureFallback
{
	STANDBY_AWAY,				/* none was connected */
	STANDBY_BEHIND,				/* it had not replayed in time what the client has written */
	STANDBY_FAILED,				/* it did not find it, cancelled the statement, or was lost */
	FIGURE_FALLBACKS
}			FigureFallback;

/* Pools and states of sessions are those of db/session.h. */
typedef struct Figures
{
	uint64_t	requests[FIGURE_ROUTES][FIGURE_METHODS][FIGURE_STATUSES];
	Histogram	request_times[FIGURE_ROUTES][FIGURE_METHODS];
	uint64_t	connections;	/* of clients, now */
	uint64_t	streams;		/* of clients, now */
	uint64_t	events;			/* changes that those who follow chats were sent */
	Histogram	stream_lags;	/* from a change to its being sent */
	uint64_t	queued[FIGURE_QUEUES];	/* now */
	Histogram	waits[FIGURE_POOLS];	/* in a queue */
	Histogram	batches[FIGURE_POOLS];	/* queries in a statement */
	Histogram	statement_times[FIGURE_POOLS];	/* from sending to the result */
	uint64_t	sessions[FIGURE_POOLS][FIGURE_STATES];	/* now */
	uint64_t	disconnections[FIGURE_POOLS];	/* of sessions that were ready */
	uint64_t	fallbacks[FIGURE_FALLBACKS];
} Figures;

/* This loop's. */
extern Figures *figures;

/* Makes the figures of this many loops; call before they are started. Exits on failure. */
extern void figures_open(int loops);

/* Takes those of a loop, from 0 on, for this process. */
extern void figures_take(int loop);

/* The sum of all loops' figures, valid until the next call. */
extern const Figures *figures_sum(void);

/*
 * Counts a request: its route, by its place in the table or FIGURE_NO_ROUTE; its method, NULL if it
 * did not get so far; its status, 0 if it had no response; and for how long it took, in microseconds.
 */
extern void figures_count_request(int route, const char *method, unsigned status, uint64_t time);

/* The name of a method, by its place in Figures. */
extern const char *figure_method(int place);

/* A status, by its place in Figures; 0: none, or one that is not in the table. */
extern unsigned figure_status(int place);

#endif
