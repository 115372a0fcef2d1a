/*
 * events.c
 *		What the HTTP server says in a stream of Server-Sent Events (WHATWG).
 */
#include <stdio.h>
#include <stdlib.h>

#include "http/error_body.h"
#include "http/events.h"

#define RETRY_FIRST 1000		/* ms */
#define RETRY_LAST 3000

int
events_retry(void)
{
	return RETRY_FIRST + random() % (RETRY_LAST - RETRY_FIRST + 1);
}

char *
events_unavailable(const char *text)
{
	char	   *data = error_body(text);
	char	   *events;

	if (data == NULL || asprintf(&events, "retry: %d\n\nevent: unavailable\ndata: %s\n\n", events_retry(), data) < 0)
		events = NULL;
	free(data);
	return events;
}
