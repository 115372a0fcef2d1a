/*
 * problem.c
 *		What a client is told of a query that failed.
 */
#include <stdio.h>
#include <string.h>

#include "api/problem.h"
#include "common/log.h"
#include "http/response.h"

/*
 * The extension's messages read "<noun> <field> <predicate>"; a client gets the
 * predicate under the name of the field.
 */
static const char *
predicate_of(const char *message, const char *field)
{
	const char *found = strstr(message, field);

	if (found && found[strlen(field)] == ' ')
		return found + strlen(field) + 1;
	return message;
}

/* Does the error mean that the value of a field is not acceptable? */
static bool
is_invalid_field(const char *sqlstate)
{
	static const char *const states[] = {"23505", "23502", "22001", "22003", "22008", "23514", "54000"};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(sqlstate, states[i]) == 0)
			return true;
	return false;
}

/* What is told of an error that is no field's. */
static void
take_error(const Failure *failure, const Request *request, Problem *problem)
{
	const char *sqlstate = failure->sqlstate;

	/* Raised by a user's trigger, with a message for whoever writes. */
	if (strcmp(sqlstate, "P0001") == 0)
	{
		problem->status = MHD_HTTP_UNPROCESSABLE_CONTENT;
		problem->text = failure->message;
		return;
	}
	log_event("database: error %s: %s, in request %s", sqlstate, failure->message, request->id.text);
	/* A user's constraint: its name and its table's are not for clients. */
	if (strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0)
	{
		problem->status = MHD_HTTP_UNPROCESSABLE_CONTENT;
		problem->text = "The database does not take this.";
	}
	else if (strcmp(sqlstate, "57014") == 0)
	{
		snprintf(problem->composed, sizeof(problem->composed), "The database took too long.%s%s",
				 failure->hint ? " " : "", failure->hint ? failure->hint : "");
		problem->text = problem->composed;
	}
	else if (strcmp(sqlstate, NOT_ALLOWED) == 0)
	{
		problem->status = MHD_HTTP_FORBIDDEN;
		problem->text = "The role that chatd logs in with may not do this.";
	}
	else if (strcmp(sqlstate, "25006") == 0)
		problem->text = "The database is read-only.";
	else
		problem->text = "The database cannot do this now.";
}

void
problem_of(const Failure *failure, const Request *request, Problem *problem)
{
	problem->status = MHD_HTTP_SERVICE_UNAVAILABLE;
	problem->field = NULL;
	problem->text = failure->message;

	/*
	 * Nobody's client repeats a request by itself after 424, as some do after 408, 429 and every
	 * 5xx.
	 */
	if (failure->unknown)
		problem->status = MHD_HTTP_FAILED_DEPENDENCY;
	else if (failure->sqlstate == NULL)
		return;
	else if (failure->column && is_invalid_field(failure->sqlstate))
	{
		problem->status = MHD_HTTP_UNPROCESSABLE_CONTENT;
		problem->field = failure->column;
		problem->text = predicate_of(failure->message, failure->column);
	}
	else if (failure->column && strcmp(failure->sqlstate, "22023") == 0)
		problem->status = MHD_HTTP_BAD_REQUEST;
	else if (failure->column && strcmp(failure->sqlstate, "55000") == 0)
	{
		problem->status = MHD_HTTP_PRECONDITION_FAILED;
		problem->text = "If-Match is not the chat's last number.";
		problem->last_number = failure->last_number;
	}
	else if (strcmp(failure->sqlstate, NOT_ALONE) == 0)
	{
		problem->status = MHD_HTTP_CONFLICT;
		problem->text = "Not created, since another was refused.";
	}
	else
		take_error(failure, request, problem);
}

/* Writes the members of an error that is no field's. */
static void
write_error(Json *json, const Problem *problem)
{
	json_member_text(json, "error", problem->text, strlen(problem->text));
	if (problem->status == MHD_HTTP_PRECONDITION_FAILED)
		json_member_number(json, "last_number", problem->last_number);
}

void
respond_problem(Request *request, const Problem *problem)
{
	if (problem->field)
		respond_invalid(request, problem->field, problem->text);
	else if (problem->status == MHD_HTTP_SERVICE_UNAVAILABLE)
		respond_unavailable(request, problem->text);
	else if (problem->status == MHD_HTTP_PRECONDITION_FAILED)
	{
		Json		json = {0};

		json_open(&json, '{');
		write_error(&json, problem);
		json_close(&json, '}');
		respond_json(request, problem->status, &json);
	}
	else
		respond_error(request, problem->status, "%s", problem->text);
}

void
problem_write(Json *json, const Problem *problem)
{
	json_member_number(json, "status", (int) problem->status);
	if (problem->field)
	{
		json_name(json, "errors");
		json_open(json, '{');
		json_name(json, problem->field);
		json_open(json, '[');
		json_text(json, problem->text, strlen(problem->text));
		json_close(json, ']');
		json_close(json, '}');
	}
	else
		write_error(json, problem);
}
