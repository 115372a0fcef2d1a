/*
 * metrics.c
 *		The handler that shows figures: those of chatd, and those of the extension.
 *
 * The latter come from chat.figures(), in a session for searches, since it may take a while, and are kept. One
 * statement serves all who ask meanwhile, and belongs to none of them: nobody waits for longer than PATIENCE.
 * Then there are chatd's figures, which tell most when the database stands still, and the database's last ones.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/handlers.h"
#include "api/kept_answer.h"
#include "api/metrics.h"
#include "common/loop.h"
#include "common/settings.h"
#include "db/reads.h"
#include "http/response.h"
#include "metrics/exposition.h"

/* Columns of GET_FIGURES. */
enum
{
	FIGURE_NAME,
	FIGURE_LABEL,
	FIGURE_VALUE
};

/* The extension's figures, in the order in which they are shown: the name, and that of the label. */
static const struct
{
	const char *name;
	const char *label;			/* "": none */
	const char *type;
	const char *help;
}			shown[] = {

	{"applications", "", "gauge", "Applications."},
	{"chats", "", "gauge", "Chats."},
	{"messages", "", "gauge", "Messages, by the counts of their chats; with more than 100,000 chats, see rows_live."},
	{"rows_live", "table", "gauge", "Rows that there are, as estimated by PostgreSQL's statistics."},
	{"rows_inserted_total", "table", "counter", "Rows that were inserted, also those rolled back, as PostgreSQL's statistics have it."},
	{"rows_updated_total", "table", "counter", "Rows that were updated."},
	{"rows_deleted_total", "table", "counter", "Rows that were deleted."},
	{"worker_running", "", "gauge", "Whether this database has a worker."},
	{"job_runs_total", "job", "counter", "Runs of the worker's jobs."},
	{"job_done_total", "job", "counter", "What its runs did: counters examined, messages sent."},
	{"job_repaired_total", "job", "counter", "What its runs found wrong and repaired, such as counts."},
	{"job_errors_total", "job", "counter", "Errors of a job."},
	{"job_failing", "job", "gauge", "Whether its last run failed."},
	{"job_last_seconds", "job", "gauge", "For how long its last run took."},
	{"job_last_run_timestamp_seconds", "job", "gauge", "When its last run was."},
	{"job_backlog", "job", "gauge", "What waits for it."},
	{"search_messages_behind", "state", "gauge", "Messages that the index in Elasticsearch lacks."},
	{"search_queued", "state", "gauge", "Messages that are to be indexed anew."},
	{"search_failed", "state", "gauge", "Messages that Elasticsearch refused."},
	{"search_seconds_behind", "state", "gauge", "The age of the oldest message that the index lacks."},
	{"search_usable", "state", "gauge", "Whether the index is fed and, if it is current, searched."},
};

#define PATIENCE 1000			/* for the database, ms */

static KeptAnswer kept;			/* the extension's figures as text */
static Query asking;
static bool is_asked;			/* the statement is under way */
static Call *waiting;			/* those that wait for it */
static Timer patience;			/* until they are answered without it; armed while it is under way */

/* Writes a value, which the database gives as PostgreSQL writes a double. */
static void
write_value(FILE *text, const char *value)
{
	double		number = strtod(value, NULL);

	if (isinf(number))
		fprintf(text, "%sInf\n", number < 0 ? "-" : "+");
	else
		fprintf(text, "%.17g\n", number);
}

static void
write_extension(FILE *text, const Rows *rows)
{
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
	{
		char		name[64];
		bool		begun = false;

		snprintf(name, sizeof(name), "pg_chat_%s", shown[i].name);
		for (int row = 0; row < rows->count; row++)
		{
			if (strcmp(PQgetvalue(rows->result, rows->first + row, FIGURE_NAME), shown[i].name) != 0)
				continue;
			if (!begun)
				exposition_metric(text, name, shown[i].type, shown[i].help);
			begun = true;
			fputs(name, text);
			if (*shown[i].label)
				fprintf(text, "{%s=\"%s\"}", shown[i].label, PQgetvalue(rows->result, rows->first + row, FIGURE_LABEL));
			fputc(' ', text);
			write_value(text, PQgetvalue(rows->result, rows->first + row, FIGURE_VALUE));
		}
	}
}

/* Responds with chatd's figures, and what is kept of the extension's. */
static void
respond_figures(Request *request)
{
	const char *routes[FIGURE_ROUTES] = {NULL};
	char	   *body = NULL;
	size_t		size;
	FILE	   *text = open_memstream(&body, &size);

	if (text)
	{
		routes_name(routes);
		exposition_metric(text, "chatd_info", "gauge", "The version of chatd.");
		fprintf(text, "chatd_info{version=\"" CHATD_VERSION "\"} 1\n");
		exposition_metric(text, "chatd_loops", "gauge", "Loops, whose figures are added up here.");
		fprintf(text, "chatd_loops %d\n", settings.loops);
		exposition_figures(text, figures_sum(), routes);
		exposition_metric(text, "pg_chat_up", "gauge", "Whether there are figures of the extension.");
		fprintf(text, "pg_chat_up %d\n", kept.text != NULL);
		if (kept.text)
		{
			exposition_metric(text, "pg_chat_age_seconds", "gauge", "How old the figures of the extension are.");
			fprintf(text, "pg_chat_age_seconds %.3f\n%s", (double) (loop_now() - kept.put_at) / 1000, kept.text);
		}
		if (fclose(text) != 0)
		{
			free(body);
			body = NULL;
		}
	}
	request->content_type = EXPOSITION_TYPE;
	respond_ok(request, body, NULL);
}

/* Responds to all who wait. */
static void
respond_to_all(void *unused)
{
	(void) unused;
	while (waiting)
	{
		Call	   *call = waiting;

		waiting = call->next_waiting;
		respond_figures(&call->request);
	}
}

/* The database has answered, by a text or NULL. */
static void
end_asking(char *text)
{
	is_asked = false;
	loop_arm(&patience, 0);
	kept_answer_put(&kept, text, loop_now() - asking.since);
	respond_to_all(NULL);
}

static void
figures_came(Query *query, const Rows *rows)
{
	char	   *body = NULL;
	size_t		size;
	FILE	   *text = open_memstream(&body, &size);

	(void) query;
	if (text)
	{
		write_extension(text, rows);
		if (fclose(text) != 0)
		{
			free(body);
			body = NULL;
		}
	}
	end_asking(body);
}

static void
figures_failed(Query *query, const Failure *failure)
{
	(void) query;
	(void) failure;
	end_asking(NULL);
}

static void
ask(void)
{
	is_asked = true;
	patience.fire = respond_to_all;
	loop_arm(&patience, loop_now() + PATIENCE);
	asking = (Query) {
		.statement = GET_FIGURES,
		.pool = POOL_SEARCH,
		.max_rows = 1,
		.since = loop_now(),
		.succeeded = figures_came,
		.failed = figures_failed,
	};
	reads_submit(&asking);
}

void
metrics_show(Request *request)
{
	Call	   *call = call_of(request);
	bool		is_kept = kept_answer_use(&kept);

	/* A statement for which others have waited in vain is not waited for. */
	if ((is_kept && !is_asked) || (is_asked && patience.due == 0))
	{
		respond_figures(request);
		return;
	}
	call->next_waiting = waiting;
	waiting = call;
	if (!is_asked)
		ask();
}
