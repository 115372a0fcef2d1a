/*
 * job.h
 *	  Jobs: the work that a worker repeats; see job.c.
 */
#ifndef PG_CHAT_JOB_H
#define PG_CHAT_JOB_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "common/keys.h"

/* pg_chat.reconcile_interval: the time between two runs of reconciliation, in seconds. */
extern int	guc_reconcile_interval;

/* pg_chat.scrub_interval: the time within which everything is counted once, in seconds. */
extern int	guc_scrub_interval;

/* The result of a run. */
typedef struct JobRun
{
	uint64		done;			/* items examined */
	uint64		repaired;		/* items found wrong, and repaired */
	bool		off;			/* the job is off: nothing to record */
	bool		waits;			/* continues in the next run: neither success nor failure yet */
	const char *error;			/* a problem with a part of the run, or NULL */
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
	 * Execute a run, and return the time until the next in milliseconds; 0: at once, after other
	 * jobs. Called outside of a transaction, in a memory context that is deleted after the run.
	 * May raise errors. Other jobs wait meanwhile: a run must end within a few tenths of a second,
	 * except for waits in which it calls worker_do_other_job().
	 */
	long		(*run) (JobRun *run);

	/* Release the resources of a run that failed; or NULL. */
	void		(*recover) (void);

	/* Whether the job asks for a run before the next one is due; or NULL. */
	bool		(*wanted) (void);

	/* The pause before a run that the job asks for, in milliseconds. */
	long		pause_ms;

	/* Whether a run may wait for so long that it must not be executed within one of another job. */
	bool		outermost;

	/* Whether a run uses the network: then the first one is delayed, see worker.c. */
	bool		uses_network;

	/* Kept by job.c. */
	bool		running;
	TimestampTz last_end;
	TimestampTz next_run;
	int			failures;		/* in succession */
	char		last_error[256];	/* the last one logged; empty: none */
} Job;

extern long job_wait_ms(const Job *job);
extern void job_run(Job *job);
extern ChatKey job_position(const char *name, bool *full_scan);
extern void job_set_position(const char *name, ChatKey position, bool full_scan);

#endif							/* PG_CHAT_JOB_H */
