/*
 * reads.c
 *		Queries that change nothing, pipelined over a few sessions.
 *
 * Searches have a lane of their own, one at a time on each session, since one
 * may be slow and a read that follows it in a pipeline has to wait.
 */
#include "query.h"
#include "reads.h"
#include "response.h"
#include "settings.h"

static const int depths[LANE_COUNT] = {[LANE_READ] = 32, [LANE_SEARCH] = 1};
static RequestQueue queues[LANE_COUNT];

void
reads_submit(Request *request, Lane lane)
{
	request->work.lane = lane;
	if (!database_ready(lane))
		answer_unavailable(request, "The database is not available.");
	else if (queues[lane].count >= settings.max_queue)
		answer_unavailable(request, "The server is busy.");
	else
		queue_push(&queues[lane], request);
}

void
reads_again(Request *request)
{
	queue_push(&queues[request->work.lane], request);
}

void
reads_turn(void)
{
	for (Lane lane = LANE_READ; lane <= LANE_SEARCH; lane++)
	{
		Session    *session;

		if (queues[lane].first && !database_ready(lane))
			queue_expire(&queues[lane], true);
		while (queues[lane].first && (session = database_session(lane, depths[lane])) != NULL)
			query_send(session, queue_pop(&queues[lane]));
	}
}

void
reads_tick(void)
{
	queue_expire(&queues[LANE_READ], false);
	queue_expire(&queues[LANE_SEARCH], false);
}
