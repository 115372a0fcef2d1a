/*
 * job_pacing.h
 *	  The pace of a job that goes through a table: see job_pacing.c.
 */
#ifndef PG_CHAT_JOB_PACING_H
#define PG_CHAT_JOB_PACING_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* The pace of one run. */
typedef struct JobPacing
{
	int			slice_size;		/* items that the next slice is to have */
	int			smallest;		/* bounds of slice_size */
	int			largest;
	TimestampTz run_started;
	TimestampTz slice_started;
} JobPacing;

extern JobPacing job_pacing_begin(int smallest, int first, int largest);
extern void job_pacing_begin_slice(JobPacing *pacing);
extern void job_pacing_end_slice(JobPacing *pacing);
extern long job_pacing_elapsed_ms(const JobPacing *pacing);
extern uint64 job_pacing_share(const char *table);
extern long job_pacing_wait_ms(uint64 done, uint64 share);

#endif							/* PG_CHAT_JOB_PACING_H */
