/*
 * rfc3339.c
 *	  Times as JSON and REST show them: 2026-01-02T03:04:05.123456Z.
 *
 * Always UTC and always six digits, whatever the settings: so they are equal as
 * texts where they are equal as times, and sort alike. PostgreSQL has times that
 * RFC 3339 does not know; they are shown in the manner of its own JSON.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/rfc3339.h"
#include "common/sql_signature.h"

PG_FUNCTION_INFO_V1(chat_rfc3339);

/* Write a number with so many digits, and a character behind it. Returns the end. */
static char *
put_digits(char *target, int value, int digits, char behind)
{
	target = pg_ultostr_zeropad(target, value, digits);
	*target = behind;
	return target + 1;
}

/* A day, as it is shown. */
typedef struct Day
{
	int64		number;			/* since 2000-01-01 */
	char		printed[RFC3339_SIZE];	/* up to the T */
	int			length;			/* 0: none yet */
	bool		before_christ;
} Day;

/* Make the day of a time. */
static Day
print_day(TimestampTz value, int64 number)
{
	Day			day = {.number = number};
	char	   *end = day.printed;
	struct pg_tm tm;
	fsec_t		microseconds;
	int			year;

	/* Without a time zone, it is UTC. */
	if (timestamp2tm(value, NULL, &tm, &microseconds, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	day.before_christ = tm.tm_year <= 0;
	year = day.before_christ ? 1 - tm.tm_year : tm.tm_year;
	end = put_digits(end, year, year > 99999 ? 6 : year > 9999 ? 5 : 4, '-');
	end = put_digits(end, tm.tm_mon, 2, '-');
	end = put_digits(end, tm.tm_mday, 2, 'T');
	day.length = end - day.printed;
	return day;
}

/*
 * Write a time to target, which has room for RFC3339_SIZE, as a string. Returns its
 * length. Times that are shown together are mostly of one day, so the last one is kept.
 */
int
rfc3339_print(TimestampTz value, char *target)
{
	static Day	day;
	char	   *end = target;
	int64		number;
	int64		time;
	int			seconds;

	if (TIMESTAMP_NOT_FINITE(value))
		return sprintf(target, "%s", TIMESTAMP_IS_NOBEGIN(value) ? "-infinity" : "infinity");
	number = value / USECS_PER_DAY - (value % USECS_PER_DAY < 0);
	if (day.length == 0 || day.number != number)
		day = print_day(value, number);
	memcpy(end, day.printed, day.length);
	end += day.length;

	time = value - number * USECS_PER_DAY;
	seconds = time / USECS_PER_SEC;
	end = put_digits(end, seconds / SECS_PER_HOUR, 2, ':');
	end = put_digits(end, seconds / SECS_PER_MINUTE % MINS_PER_HOUR, 2, ':');
	end = put_digits(end, seconds % SECS_PER_MINUTE, 2, '.');
	end = put_digits(end, time % USECS_PER_SEC, 6, 'Z');
	strcpy(end, day.before_christ ? " BC" : "");
	return end - target + strlen(end);
}

/*
 * chat.rfc3339(value timestamptz) returns text
 */
Datum
chat_rfc3339(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(TIMESTAMPTZOID), SQL_RETURNS(TEXTOID), .any_version = true};
	char		printed[RFC3339_SIZE];

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(printed, rfc3339_print(PG_GETARG_TIMESTAMPTZ(0), printed)));
}
