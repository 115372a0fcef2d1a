/*
 * jobs.c
 *	  The list of the worker's jobs.
 *
 * Each feature defines its jobs; the worker knows them only by this list.
 * core/status.c has their names, too, for chat.worker_status.
 */
#include "postgres.h"

#include "bgworker/worker.h"
#include "counts/recount_jobs.h"
#include "elasticsearch/es_sync_job.h"
#include "elasticsearch/es_verify_job.h"
#include "jobs.h"
#include "purge/purge_job.h"
#include "redis/redis_mirror_job.h"

/* In the order in which they run if several are due. */
static Job *const jobs[] = {
	&recount_queue_job,
	&recount_chats_job,
	&recount_applications_job,
	&purge_job,
	&redis_mirror_job,
	&es_sync_job,
	&es_verify_job
};

/* Pass the list to the worker. Called once, when the library is loaded. */
void
jobs_init(void)
{
	worker_set_jobs(jobs, lengthof(jobs));
}
