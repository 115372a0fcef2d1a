/*
 * availability.c
 *		Why the database cannot be used: the primary, or the standbys.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/loop.h"
#include "db/availability.h"

#define REPEAT_LOG 60000		/* before the same failure is logged again, ms */

typedef struct Reason
{
	char		text[128];
	char		logged[512];
	uint64_t	logged_at;
} Reason;

static Reason primary = {.text = "not connected to the database yet"};
static Reason standbys = {.text = "not connected to a standby yet"};
static bool unfit;				/* the primary's reason is about versions */

static const char *
side(bool standby)
{
	return standby ? "standby" : "database";
}

void
database_log(bool standby, const char *what)
{
	log_event("%s: %s", side(standby), what);
}

void
database_set_reason(bool standby, const char *what, const char *detail)
{
	Reason	   *reason = standby ? &standbys : &primary;
	char		line[sizeof(reason->logged)];

	snprintf(reason->text, sizeof(reason->text), "%s", what);
	if (!standby)
		unfit = false;

	snprintf(line, sizeof(line), "%s: %s%s%s", side(standby), what, detail ? ": " : "", detail ? detail : "");
	if (strcmp(line, reason->logged) == 0 && loop_now() - reason->logged_at < REPEAT_LOG)
		return;
	strcpy(reason->logged, line);
	reason->logged_at = loop_now();
	log_event("%s", line);
}

void
database_set_unfit(void)
{
	unfit = true;
}

const char *
database_reason(bool standby)
{
	return standby ? standbys.text : primary.text;
}

const char *
database_unavailable(void)
{
	static char text[sizeof(primary.text) + 64];

	if (!unfit)
		return "The database is not available.";
	snprintf(text, sizeof(text), "The database is not available: %s.", primary.text);
	return text;
}
