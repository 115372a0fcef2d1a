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

/* Of JSON in one page, unless it is one row. */
#define PAGE_BYTES (1024 * 1024)

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

/*
 * Writes one link; the search text is already encoded, or NULL; before is 0 or
 * another bound.
 */
static void
print_link(FILE *stream, const Request *request, const char *search,
		   const char *bound, int number, int before, const char *relation)
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
	fprintf(stream, "%s=%d", bound, number);
	if (before)
		fprintf(stream, "&before=%d", before);
	fprintf(stream, ">; rel=\"%s\"", relation);
}

/* Are the rows those nearest to the end of what was asked for? */
static bool
is_backward(const Page *page)
{
	return page->last > 0 || (page->before > 0 && page->after <= 0);
}

/* The bytes of one row's values. */
static size_t
row_bytes(const Rows *rows, int row)
{
	size_t		bytes = 0;

	for (int column = 0; column < PQnfields(rows->result); column++)
		bytes += PQgetlength(rows->result, rows->first + row, column);
	return bytes;
}

/* As many of the rows as make a page, from the side where it begins. */
static Rows
page_cut(const Page *page, const Rows *rows)
{
	Rows		kept = *rows;
	size_t		bytes = 0;

	for (kept.count = 0; kept.count < rows->count; kept.count++)
	{
		bytes += row_bytes(rows, is_backward(page) ? rows->count - 1 - kept.count : kept.count);
		if (kept.count > 0 && bytes > PAGE_BYTES)
			break;
	}
	if (is_backward(page))
		kept.first += rows->count - kept.count;
	return kept;
}

/*
 * The Link header, malloc'ed, or NULL for none. A full page may have one after
 * it, up to the bound that the client gave; so has one that ended where the
 * client said, without that bound. With only_next the link back is left out.
 */
static char *
page_link(const Request *request, const Rows *rows, bool full, int number_column, bool only_next)
{
	const Page *page = request->page;
	bool		empty = rows->count == 0;
	int			first = empty ? 0 : rows_number(rows, 0, number_column);
	int			last = empty ? 0 : rows_number(rows, rows->count - 1, number_column);
	int			bound = page->before > 0 && !is_backward(page) ? page->before : 0;
	bool		next = !empty && page->last < 0 &&
		(is_backward(page) || (full && (bound == 0 || last < bound - 1)));
	bool		back = !only_next && (empty ? page->after > 0 : first > 1) &&
		(page->after > 0 || (full && is_backward(page)));
	char	   *search = NULL;
	char	   *link = NULL;
	size_t		length;
	FILE	   *stream;

	if (!next && !back)
		return NULL;
	if (empty)
		first = page->after < INT_MAX ? page->after + 1 : INT_MAX;
	if (page->search.bytes)
		search = uri_encode(page->search.bytes, page->search.length);
	stream = open_memstream(&link, &length);
	if (stream)
	{
		if (next)
			print_link(stream, request, search, "after", last, bound, "next");
		if (back)
			print_link(stream, request, search, "before", first, 0, "prev");
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
	Rows		kept = page_cut(request->page, rows);
	bool		full = kept.count < rows->count ||
		rows->count == (request->page->last > 0 ? request->page->last : request->page->limit);
	char	   *link;

	link = page_link(request, &kept, full, number_column, false);
	if (!link_fits(request, link))
	{
		free(link);
		link = page_link(request, &kept, full, number_column, true);
	}
	if (link_fits(request, link))
		answer_page(request, rows_array(&kept, print), link);
	else
		/* Without a link the client would lose the rest unawares. */
		answer_error(request, MHD_HTTP_URI_TOO_LONG,
					 "There is another page, and the query is too long for a link to it: use a higher 'limit'.");
	free(link);
}
