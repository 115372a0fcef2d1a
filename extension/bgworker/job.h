/*
 * job.h
 *	  Jobs: the work that a worker repeats; see job.c.
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

/* The result of a run. */
typedef struct JobRun
{
	uint64		done;			/* things looked at */
	uint64		repaired;		/* things found wrong, and repaired */
	bool		off;			/* the job is not wanted: nothing to record */
	bool		waits;			/* it goes on in the next: neither success nor failure yet */
	const char *error;			/* what went wrong with a part of it, or NULL */
} JobRun;

/*
 * A job. A feature defines one, with the members of the first group, and the
 * table in jobs.c lists it.
 */
typedef struct Job
{
	/* Its name in chat.worker_status. */
	const char *name;

	/*
	 * Do one run; returns the time until the next in milliseconds, 0 for at once, after other
	 * jobs. Called outside of a transaction, in a memory context that ends with the run. May raise
	 * errors. Other jobs wait meanwhile: a run must end within a few tenths of a second, but for
	 * what it does around worker_do_other_job().
	 */
	long		(*run) (JobRun *run);

	/* Release the resources of a run that failed; or NULL. */
	void		(*recover) (void);

	/* Whether there is something to do before it is time; or NULL. */
	bool		(*wanted) (void);

	/* The pause between runs that are wanted before it is time. */
	long		pause_ms;

	/* Whether a run may wait for so long that it must not be within one of another job. */
	bool		outermost;

	/* Whether a run uses the network: then the first waits a moment, see worker.c. */
	bool		uses_network;

	/* Kept by job.c. */
	bool		running;
	TimestampTz last_end;
	TimestampTz next_run;
	int			failures;		/* in succession */
	char		last_error[256];	/* that was logged; empty: none */
} Job;

extern long job_wait_ms(const Job *job);
extern void job_run(Job *job);
extern ChatKey job_position(const char *name, bool *full_scan);
extern void job_set_position(const char *name, ChatKey position, bool full_scan);

#endif							/* PG_CHAT_JOB_H */
