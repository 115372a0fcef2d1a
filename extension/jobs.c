/*
 * jobs.c
 *	  The jobs of the worker.
 *
 * Each feature defines its jobs; the worker knows none of them but by this
 * table. core/status.c has their names, too, for chat.worker_status.
 */
#include "postgres.h"

#include "bgworker/worker.h"
#include "counts/recount_jobs.h"
#include "elasticsearch/es_sync_job.h"
#include "elasticsearch/es_verify_job.h"
#include "jobs.h"
#include "purge/purge_job.h"
#include "redis/redis_mirror_job.h"

/* In the order in which they are done where several are due. */
static Job *const jobs[] = {
	&recount_queue_job,
	&recount_chats_job,
	&recount_applications_job,
	&purge_job,
	&redis_mirror_job,
	&es_sync_job,
	&es_verify_job
};

/*
 * Tell the worker its jobs. Called once, when the library is loaded.
 */
void
jobs_init(void)
{
	worker_set_jobs(jobs, lengthof(jobs));
}
