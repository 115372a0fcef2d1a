/*
 * job.h
 *	  What the worker does again and again: see job.c.
 */
#ifndef PG_CHAT_JOB_H
#define PG_CHAT_JOB_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "changes/shmem.h"

/* What a pass did. */
typedef struct JobRun
{
	uint64		done;			/* things looked at */
	uint64		mended;			/* things found wrong, and mended */
	bool		off;			/* the duty is not wanted: nothing to record */
	bool		waits;			/* it goes on in the next: neither success nor failure yet */
	const char *error;			/* what went wrong with a part of it, or NULL */
} JobRun;

/*
 * A duty. run does one pass: it runs outside of a transaction, in a memory
 * context that ends with it, and raises what goes wrong. It returns the time
 * until the next pass, in milliseconds. recover, if any, is called after an
 * error, to let go of what the pass held. wanted, if any, tells whether there
 * is something to do before it is time; then a pass follows the last one after
 * pause_ms.
 */
typedef struct Job
{
	const char *name;			/* the row of chat.worker_duties */
	long		(*run) (JobRun *pass);
	void		(*recover) (void);
	bool		(*wanted) (void);
	long		pause_ms;
	TimestampTz last_end;
	TimestampTz next_pass;
	int			failures;		/* in succession */
	char		last_error[256];	/* that was logged; empty: none */
} Job;

extern long job_wait_ms(const Job *duty);
extern void job_run(Job *duty);
extern ChatKey job_position(const char *name, bool *hurry);
extern void job_set_position(const char *name, ChatKey position, bool hurry);
extern void job_report_mended(int32 application, int32 chat, const char *counter,
							   const int32 *was, int32 mended_to, JobRun *pass);

#endif							/* PG_CHAT_JOB_H */
