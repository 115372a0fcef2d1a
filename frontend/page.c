/*
 * page.c
 *		Pages of lists: what a client asks for, and how the next one is found.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"
#include "query.h"
#include "response.h"
#include "server.h"

/* Of a connection's memory, for all but the target and the Link header. */
#define OTHER_HEADERS 6144

typedef struct Parameter
{
	const char *name;
	int			minimum;
	int			maximum;
	int		   *value;
} Parameter;

/* Takes one parameter; on a wrong one the request is answered. */
static bool
take_parameter(void *owner, Text name, Text value)
{
	Request    *request = owner;
	Page	   *page = request->page;
	const Parameter numbers[] = {
		{"limit", 1, PAGE_MAXIMUM, page->limit_given ? NULL : &page->limit},
		{"after", 0, INT_MAX, page->after < 0 ? &page->after : NULL},
		{"before", 1, INT_MAX, page->before < 0 ? &page->before : NULL},
		{"last", 1, PAGE_MAXIMUM, page->last < 0 ? &page->last : NULL},
	};
	bool		twice = false;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
	{
		const Parameter *number = &numbers[i];

		if (strcmp(name.bytes, number->name) != 0)
			continue;
		if (number->value == NULL)
			twice = true;
		else if (!uri_number(value.bytes, value.length, number->minimum, number->value) ||
				 *number->value > number->maximum)
			answer_error(request, MHD_HTTP_BAD_REQUEST,
						 "Query parameter '%s' must be an integer from %d to %d.",
						 number->name, number->minimum, number->maximum);
		if (i == 0)
			page->limit_given = true;
	}
	if (strcmp(name.bytes, "query") == 0)
	{
		twice = page->search.bytes != NULL;
		if (!twice)
		{
			page->search = value;
			value.bytes = NULL;
		}
	}
	if (twice)
		answer_error(request, MHD_HTTP_BAD_REQUEST, "Query parameter '%s' is given more than once.",
					 name.bytes);
	free(name.bytes);
	free(value.bytes);
	return request->status == 0;
}

bool
page_read(Request *request)
{
	Page	   *page = calloc(1, sizeof(Page));

	if (page == NULL)
	{
		answer_unavailable(request, "Out of memory.");
		return false;
	}
	*page = (Page) {.limit = PAGE_DEFAULT, .after = -1, .before = -1, .last = -1};
	request->page = page;
	if (!uri_each_pair(request->query, strlen(request->query), take_parameter, request))
	{
		if (request->status == 0)
			answer_error(request, MHD_HTTP_BAD_REQUEST, "The query is not correctly encoded UTF-8.");
		return false;
	}
	if (page->last > 0 && (page->limit_given || page->after >= 0 || page->before >= 0))
	{
		answer_error(request, MHD_HTTP_BAD_REQUEST,
					 "Query parameter 'last' cannot be combined with 'limit', 'after' or 'before'.");
		return false;
	}
	return true;
}

void
page_free(Page *page)
{
	if (page)
		free(page->search.bytes);
	free(page);
}

void
page_add_bounds(Request *request)
{
	const Page *page = request->page;

	query_add_number(request, page->after > 0 ? page->after : 0);
	query_add_number(request, page->before > 0 ? page->before : 0);
	query_add_number(request, page->limit);
	request->work.rows = page->limit;
}

/* Writes one link; the search text is already encoded, or NULL. */
static void
print_link(FILE *stream, const Request *request, const char *search,
		   const char *bound, int number, const char *relation)
{
	const Page *page = request->page;

	if (ftell(stream) > 0)
		fputs(", ", stream);
	fprintf(stream, "<%.*s?", (int) request->path_length, request->target);
	if (search)
		fprintf(stream, "query=%s&", search);
	if (page->limit_given)
		fprintf(stream, "limit=%d&", page->limit);
	if (page->last > 0)
		fprintf(stream, "limit=%d&", page->last);
	fprintf(stream, "%s=%d>; rel=\"%s\"", bound, number, relation);
}

/*
 * The Link header, malloc'ed, or NULL for none. A full page may have one after
 * it; so has one that ended where the client said. With only_next the link back
 * is left out.
 */
static char *
page_link(const Request *request, int count, int first, int last, bool only_next)
{
	const Page *page = request->page;
	bool		full = count == (page->last > 0 ? page->last : page->limit);
	bool		next = count > 0 && page->last < 0 && (full || page->before > 0);
	bool		back = count > 0 && first > 1 && !only_next &&
		(page->after > 0 || (full && (page->before > 0 || page->last > 0)));
	char	   *search = NULL;
	char	   *link = NULL;
	size_t		length;
	FILE	   *stream;

	if (!next && !back)
		return NULL;
	if (page->search.bytes)
		search = uri_encode(page->search.bytes, page->search.length);
	stream = open_memstream(&link, &length);
	if (stream)
	{
		if (next)
			print_link(stream, request, search, "after", last, "next");
		if (back)
			print_link(stream, request, search, "before", first, "prev");
		fclose(stream);
	}
	free(search);
	return link;
}

/* Does the header fit into the connection's memory, beside the request? */
static bool
link_fits(const Request *request, const char *link)
{
	return link == NULL ||
		strlen(link) + strlen(request->target) + OTHER_HEADERS < CONNECTION_MEMORY;
}

void
page_answer(Request *request, const Rows *rows, int number_column, RowPrinter print)
{
	int			count = rows->count;
	int			first = count > 0 ? rows_number(rows, 0, number_column) : 0;
	int			last = count > 0 ? rows_number(rows, count - 1, number_column) : 0;
	char	   *link;

	link = page_link(request, count, first, last, false);
	if (!link_fits(request, link))
	{
		free(link);
		link = page_link(request, count, first, last, true);
	}
	if (link_fits(request, link))
		answer_page(request, rows_array(rows, print), link);
	else
		/* Without a link the client would lose the rest unawares. */
		answer_error(request, MHD_HTTP_URI_TOO_LONG,
					 "There is another page, and the query is too long for a link to it: use a higher 'limit'.");
	free(link);
}
