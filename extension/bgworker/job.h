/*
 * job.h
 *	  What the worker does again and again: see job.c.
 */
#ifndef PG_CHAT_JOB_H
#define PG_CHAT_JOB_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "common/keys.h"

/* pg_chat.reconcile_interval: between two runs of reconciliation, in seconds. */
extern int	guc_reconcile_interval;

/* pg_chat.scrub_interval: within which everything is counted once, in seconds. */
extern int	guc_scrub_interval;

/* What a run did. */
typedef struct JobRun
{
	uint64		done;			/* things looked at */
	uint64		repaired;			/* things found wrong, and repaired */
	bool		off;			/* the job is not wanted: nothing to record */
	bool		waits;			/* it goes on in the next: neither success nor failure yet */
	const char *error;			/* what went wrong with a part of it, or NULL */
} JobRun;

/*
 * A job. run does one run: it runs outside of a transaction, in a memory
 * context that ends with it, and raises what goes wrong. It returns the time
 * until the next run, in milliseconds. recover, if any, is called after an
 * error, to let go of what the run held. wanted, if any, tells whether there
 * is something to do before it is time; then a run follows the last one after
 * pause_ms.
 */
typedef struct Job
{
	const char *name;			/* the row of chat_internal.worker_jobs */
	long		(*run) (JobRun *run);
	void		(*recover) (void);
	bool		(*wanted) (void);
	long		pause_ms;
	TimestampTz last_end;
	TimestampTz next_pass;
	int			failures;		/* in succession */
	char		last_error[256];	/* that was logged; empty: none */
} Job;

extern long job_wait_ms(const Job *job);
extern void job_run(Job *job);
extern ChatKey job_position(const char *name, bool *full_scan);
extern void job_set_position(const char *name, ChatKey position, bool full_scan);
extern void job_report_repaired(int32 application, int32 chat, const char *counter,
							   const int32 *was, int32 new_value, JobRun *run);

#endif							/* PG_CHAT_JOB_H */
