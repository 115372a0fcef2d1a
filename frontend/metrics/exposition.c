/*
 * exposition.c
 *		The text format of Prometheus.
 *
 * A series that has counted nothing is left out where there are many of its kind: requests by
 * route, method and status. Labels need no escapes, since all of them are names of our own.
 */
#include "metrics/exposition.h"

#define LABELS_SIZE 256

static const char *const pools[FIGURE_POOLS] = {
	"write", "read", "search", "listen", "standby read", "standby search", "standby listen", "export"
};
static const char *const states[FIGURE_STATES] = {"down", "connecting", "preparing", "ready"};
static const char *const queues[FIGURE_QUEUES] = {"messages", "creations", "reads", "large reads", "searches", "replay"};
static const char *const fallbacks[FIGURE_FALLBACKS] = {"away", "behind", "failed"};

void
exposition_metric(FILE *text, const char *name, const char *type, const char *help)
{
	fprintf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
write_sample(FILE *text, const char *name, const char *labels, uint64_t value)
{
	fprintf(text, "%s%s%s%s %llu\n", name, *labels ? "{" : "", labels, *labels ? "}" : "", (unsigned long long) value);
}

/* Writes a histogram; values are shown in units of unit. */
static void
write_histogram(FILE *text, const char *name, const char *labels, const Histogram *histogram,
				const uint64_t *bounds, double unit)
{
	const char *comma = *labels ? "," : "";
	const char *opening = *labels ? "{" : "";
	const char *closing = *labels ? "}" : "";
	uint64_t	count = 0;

	for (int i = 0; i < HISTOGRAM_BOUNDS; i++)
	{
		count += histogram->counts[i];
		fprintf(text, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, labels, comma, (double) bounds[i] / unit, (unsigned long long) count);
	}
	count += histogram->counts[HISTOGRAM_BOUNDS];
	fprintf(text, "%s_bucket{%s%sle=\"+Inf\"} %llu\n%s_sum%s%s%s %.9g\n%s_count%s%s%s %llu\n",
			name, labels, comma, (unsigned long long) count, name, opening, labels, closing, (double) histogram->sum / unit,
			name, opening, labels, closing, (unsigned long long) count);
}

static void
write_requests(FILE *text, const Figures *sum, const char *const *routes)
{
	char		labels[LABELS_SIZE];

	exposition_metric(text, "chatd_requests_total", "counter", "Requests, by status; 0: the connection ended without a response.");
	for (int route = 0; route < FIGURE_ROUTES; route++)
		for (int method = 0; method < FIGURE_METHODS; method++)
			for (int status = 0; status < FIGURE_STATUSES; status++)
			{
				uint64_t	count = sum->requests[route][method][status];

				if (count == 0)
					continue;
				snprintf(labels, sizeof(labels), "route=\"%s\",method=\"%s\",status=\"%u\"",
						 routes[route] ? routes[route] : "none", figure_method(method), figure_status(status));
				write_sample(text, "chatd_requests_total", labels, count);
			}
	exposition_metric(text, "chatd_request_seconds", "histogram", "From the first line of a request to the end of its response.");
	for (int route = 0; route < FIGURE_ROUTES; route++)
		for (int method = 0; method < FIGURE_METHODS; method++)
		{
			const Histogram *times = &sum->request_times[route][method];

			if (histogram_count(times) == 0)
				continue;
			snprintf(labels, sizeof(labels), "route=\"%s\",method=\"%s\"", routes[route] ? routes[route] : "none",
					 figure_method(method));
			write_histogram(text, "chatd_request_seconds", labels, times, time_bounds, 1e6);
		}
}

/* The pools with sessions: those at standbys come last. */
static int
pool_count(const Figures *sum)
{
	int			count = FIGURE_POOLS;

	while (count > 0)
	{
		for (int state = 0; state < FIGURE_STATES; state++)
			if (sum->sessions[count - 1][state] > 0)
				return count;
		count--;
	}
	return 0;
}

/* Writes a metric that has a histogram for each pool. */
static void
write_pools(FILE *text, const char *name, const char *help, const Histogram *histograms, int count,
			const uint64_t *bounds, double unit)
{
	char		labels[LABELS_SIZE];

	exposition_metric(text, name, "histogram", help);
	for (int pool = 0; pool < count; pool++)
	{
		snprintf(labels, sizeof(labels), "pool=\"%s\"", pools[pool]);
		write_histogram(text, name, labels, &histograms[pool], bounds, unit);
	}
}

static void
write_database(FILE *text, const Figures *sum)
{
	char		labels[LABELS_SIZE];
	int			count = pool_count(sum);

	exposition_metric(text, "chatd_queued", "gauge", "Requests that wait for a session with the database.");
	for (int queue = 0; queue < FIGURE_QUEUES; queue++)
	{
		snprintf(labels, sizeof(labels), "queue=\"%s\"", queues[queue]);
		write_sample(text, "chatd_queued", labels, sum->queued[queue]);
	}
	write_pools(text, "chatd_queue_seconds", "For how long requests waited for a session.", sum->waits, count, time_bounds, 1e6);
	write_pools(text, "chatd_batch_size", "Requests that one statement served.", sum->batches, count, size_bounds, 1);
	write_pools(text, "chatd_statement_seconds", "From sending a statement to its result.", sum->statement_times, count, time_bounds, 1e6);
	exposition_metric(text, "chatd_database_sessions", "gauge", "Sessions with the database, by state; ready: in use.");
	for (int pool = 0; pool < count; pool++)
		for (int state = 0; state < FIGURE_STATES; state++)
		{
			snprintf(labels, sizeof(labels), "pool=\"%s\",state=\"%s\"", pools[pool], states[state]);
			write_sample(text, "chatd_database_sessions", labels, sum->sessions[pool][state]);
		}
	exposition_metric(text, "chatd_database_disconnections_total", "counter", "Sessions that ended after they had been ready.");
	for (int pool = 0; pool < count; pool++)
	{
		snprintf(labels, sizeof(labels), "pool=\"%s\"", pools[pool]);
		write_sample(text, "chatd_database_disconnections_total", labels, sum->disconnections[pool]);
	}
	exposition_metric(text, "chatd_standby_fallbacks_total", "counter", "Reads that the primary was asked for instead of a standby.");
	for (int reason = 0; reason < FIGURE_FALLBACKS; reason++)
	{
		snprintf(labels, sizeof(labels), "reason=\"%s\"", fallbacks[reason]);
		write_sample(text, "chatd_standby_fallbacks_total", labels, sum->fallbacks[reason]);
	}
}

void
exposition_figures(FILE *text, const Figures *sum, const char *const routes[FIGURE_ROUTES])
{
	write_requests(text, sum, routes);
	exposition_metric(text, "chatd_connections", "gauge", "Open connections of clients.");
	write_sample(text, "chatd_connections", "", sum->connections);
	exposition_metric(text, "chatd_streams", "gauge", "Open streams of clients.");
	write_sample(text, "chatd_streams", "", sum->streams);
	exposition_metric(text, "chatd_stream_events_total", "counter", "Changes of messages that streams and waiting requests were sent.");
	write_sample(text, "chatd_stream_events_total", "", sum->events);
	exposition_metric(text, "chatd_stream_lag_seconds", "histogram",
					  "From the time of a change, created_at, edited_at or deleted_at, to its being sent to a client who had all before it.");
	write_histogram(text, "chatd_stream_lag_seconds", "", &sum->stream_lags, time_bounds, 1e6);
	write_database(text, sum);
}
