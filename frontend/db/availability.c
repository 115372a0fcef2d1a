/*
 * availability.c
 *		Why the database cannot be used.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "db/availability.h"

#define REPEAT_LOG 60000		/* before the same failure is logged again, ms */

static char reason[128] = "not connected to the database yet";
static bool unfit;				/* the reason is about versions */

void
database_set_reason(const char *what, const char *detail)
{
	static char logged[512];
	static uint64_t logged_at;
	char		line[512];

	snprintf(reason, sizeof(reason), "%s", what);
	unfit = false;

	snprintf(line, sizeof(line), "database: %s%s%s", what, detail ? ": " : "", detail ? detail : "");
	if (strcmp(line, logged) == 0 && loop_now() - logged_at < REPEAT_LOG)
		return;
	strcpy(logged, line);
	logged_at = loop_now();
	log_event("%s", line);
}

void
database_set_unfit(void)
{
	unfit = true;
}

const char *
database_reason(void)
{
	return reason;
}

const char *
database_unavailable(void)
{
	static char text[sizeof(reason) + 64];

	if (!unfit)
		return "The database is not available.";
	snprintf(text, sizeof(text), "The database is not available: %s.", reason);
	return text;
}
