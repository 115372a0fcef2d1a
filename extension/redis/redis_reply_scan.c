/*
 * redis_reply_scan.c
 *	  Whether the bytes that a Redis server sends may be parsed.
 *
 * hiredis trusts what it is told: it allocates an array of two billion
 * elements before the first of them has arrived, and frees it element by
 * element. So the bytes are scanned as they arrive, before hiredis parses
 * them. Arrays may be as long and as deep as the replies to our commands are,
 * and there may be as many replies as commands. Memory and time are then
 * bounded by what has arrived.
 *
 *	reply	+text | -text | :number | $length text | *length reply ...
 *
 * Each line ends with CR LF, and so does a string; the length -1 stands for
 * null. Types that only version 3 of the protocol has are refused, since it is
 * never asked for.
 */
#include "postgres.h"

#include "redis/redis_reply_scan.h"

/*
 * The most elements of all arrays of an exchange: many times those that SCAN is
 * asked for.
 */
#define ELEMENTS_MAX 65536

/* The longest string: as many bytes as an exchange may have. */
#define STRING_MAX (512 * 1024)

/* Digits of a 64-bit number. */
#define DIGITS_MAX 19

static const char malformed[] = "the answer is malformed";
static const char too_long[] = "the answer is too long";

/* Begin to scan the replies to so many commands. */
RedisReplyScan
redis_reply_scan_begin(int replies)
{
	return (RedisReplyScan) {.awaited = replies};
}

/* End a reply or an element, and the arrays whose last element it is. */
static void
end_value(RedisReplyScan *scan)
{
	while (scan->depth > 0)
	{
		if (--scan->missing[scan->depth - 1] > 0)
			return;
		scan->depth--;
	}
	scan->awaited--;
}

static const char *
begin_array(RedisReplyScan *scan)
{
	if (scan->number == 0 || scan->negative)
	{
		end_value(scan);
		return NULL;
	}
	if (scan->depth == REDIS_REPLY_DEPTH)
		return malformed;
	if (scan->number > ELEMENTS_MAX - scan->elements)
		return too_long;
	scan->elements += scan->number;
	scan->missing[scan->depth++] = scan->number;
	return NULL;
}

static const char *
begin_string(RedisReplyScan *scan)
{
	if (scan->negative)
		end_value(scan);
	else if (scan->number > STRING_MAX)
		return too_long;
	else
		scan->payload = scan->number + strlen("\r\n");
	return NULL;
}

/* End a line. Returns NULL, or what is wrong. */
static const char *
end_line(RedisReplyScan *scan)
{
	char		type = scan->type;

	scan->type = 0;
	if (type == '+' || type == '-')
	{
		end_value(scan);
		return NULL;
	}
	if (scan->digits == 0)
		return malformed;
	if (type == ':')
	{
		end_value(scan);
		return NULL;
	}
	if (scan->negative && scan->number != 1)
		return malformed;
	return type == '*' ? begin_array(scan) : begin_string(scan);
}

/* Take the first byte of a reply or an element. Returns NULL, or what is wrong. */
static const char *
begin_line(RedisReplyScan *scan, char type)
{
	if (scan->awaited == 0)
		return "it answered more than it was asked";
	if (type == '\0' || strchr("+-:$*", type) == NULL)
		return malformed;
	scan->type = type;
	scan->carriage_return = false;
	scan->negative = false;
	scan->digits = 0;
	scan->number = 0;
	return NULL;
}

/*
 * Take another byte of a line. Only texts may have more than a number. Returns
 * NULL, or what is wrong.
 */
static const char *
continue_line(RedisReplyScan *scan, char byte)
{
	bool		ended = scan->carriage_return && byte == '\n';

	if (ended)
		return end_line(scan);
	if (scan->type == '+' || scan->type == '-')
	{
		scan->carriage_return = byte == '\r';
		return NULL;
	}
	if (scan->carriage_return)
		return malformed;
	if (byte == '\r')
		scan->carriage_return = true;
	else if (byte == '-' && scan->digits == 0 && !scan->negative)
		scan->negative = true;
	else if (byte >= '0' && byte <= '9' && scan->digits < DIGITS_MAX)
	{
		/* Only small numbers matter; the last digit of 19 must not overflow. */
		if (scan->number <= PG_INT64_MAX / 10 - 1)
			scan->number = scan->number * 10 + (byte - '0');
		scan->digits++;
	}
	else
		return malformed;
	return NULL;
}

/*
 * Scan further bytes. Returns NULL, or what is wrong with them: then they must
 * not be parsed.
 */
const char *
redis_reply_scan(RedisReplyScan *scan, const char *bytes, size_t count)
{
	const char *problem = NULL;

	for (size_t i = 0; i < count && problem == NULL;)
	{
		if (scan->payload > 0)
		{
			size_t		passed = Min(scan->payload, count - i);

			i += passed;
			scan->payload -= passed;
			if (scan->payload == 0)
				end_value(scan);
		}
		else if (scan->type == 0)
			problem = begin_line(scan, bytes[i++]);
		else
			problem = continue_line(scan, bytes[i++]);
	}
	return problem;
}
