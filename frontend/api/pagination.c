/*
 * pagination.c
 *		Pages of lists: their parameters, and links to the pages around.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/pagination.h"
#include "api/query_flag.h"
#include "http/connection.h"
#include "http/response.h"

/* Bytes of a connection's memory that are reserved for all but the target and the Link header. */
#define OTHER_HEADERS 6144

/* Columns of the statements that return a page of messages; the last two only across chats. */
enum
{
	PAGE_FIRST,
	PAGE_LAST,
	PAGE_COUNT,
	PAGE_CUT,
	PAGE_MESSAGES,
	PAGE_FIRST_CHAT,
	PAGE_LAST_CHAT
};

/* The rows that a page has, from which its links follow. */
typedef struct Extent
{
	int			count;			/* of rows */
	bool		cut;			/* there may be more rows, though there are fewer than the limit */
	Place		first;
	Place		last;
} Extent;

typedef struct Parameter
{
	const char *name;
	int			minimum;
	int			maximum;
	bool		given;
	int		   *chat;			/* of a place across chats; else NULL */
	int		   *number;
	int		   *revision;		/* of a position; else NULL */
} Parameter;

/* Parses a parameter's value; returns false if it is invalid. */
static bool
read_value(const Parameter *parameter, Text value)
{
	const char *number = value.bytes;
	const char *end = value.bytes + value.length;

	if (parameter->chat)
	{
		const char *dot = memchr(value.bytes, '.', value.length);

		if (dot == NULL || !uri_number(value.bytes, dot - value.bytes, parameter->minimum, parameter->chat))
			return false;
		number = dot + 1;
	}
	if (parameter->revision)
	{
		const char *dot = memchr(value.bytes, '.', value.length);

		if (dot && !uri_number(dot + 1, end - dot - 1, parameter->minimum, parameter->revision))
			return false;
		end = dot ? dot : end;
	}
	if (!uri_number(number, end - number, parameter->minimum, parameter->number))
		return false;
	/* No message is in chat 0. */
	if (parameter->chat && *parameter->chat == 0)
		*parameter->number = 0;
	return *parameter->number <= parameter->maximum;
}

/* What the value of a parameter must be. */
static const char *
form_of(const Parameter *parameter)
{
	if (parameter->chat)
		return "CHAT.NUMBER, two integers";
	return parameter->revision ? "NUMBER or NUMBER.REVISION, integers" : "an integer";
}

/* Takes a text. Returns false if there is one already. */
static bool
take_text(Text *text, Text *value)
{
	if (text->bytes)
		return false;
	*text = *value;
	value->bytes = NULL;
	return true;
}

/* Takes one parameter; responds and returns false if it is invalid. */
static bool
take_parameter(void *owner, Text name, Text value)
{
	Request    *request = owner;
	Page	   *page = &call_of(request)->page;
	bool		across = page->kind == PAGE_ACROSS_CHATS;
	bool		changes = page->kind == PAGE_OF_CHANGES;
	const Parameter numbers[] = {
		{"limit", 1, PAGE_MAXIMUM, page->limit_given, NULL, &page->limit, NULL},
		{"after", 0, INT_MAX, page->after.number >= 0, across ? &page->after.chat : NULL, &page->after.number, changes ? &page->revision : NULL},
		{"before", 1, INT_MAX, page->before.number >= 0, across ? &page->before.chat : NULL, &page->before.number, NULL},
		{"last", 1, PAGE_MAXIMUM, page->last >= 0, NULL, &page->last, NULL},
	};
	bool		twice = false;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
	{
		const Parameter *number = &numbers[i];

		if (strcmp(name.bytes, number->name) != 0)
			continue;
		if (number->given)
			twice = true;
		else if (!read_value(number, value))
			respond_error(request, MHD_HTTP_BAD_REQUEST,
						  "Query parameter '%s' must be %s from %d to %d.", number->name, form_of(number),
						  number->minimum, number->maximum);
		if (i == 0)
			page->limit_given = true;
	}
	if (strcmp(name.bytes, "query") == 0)
		twice = !take_text(&page->search, &value);
	if (strcmp(name.bytes, "sender") == 0)
		twice = !take_text(&page->sender, &value);
	if (twice)
		respond_error(request, MHD_HTTP_BAD_REQUEST, "Query parameter '%s' is given more than once.",
					  name.bytes);
	free(name.bytes);
	free(value.bytes);
	return request->status == 0;
}

bool
page_read(Request *request, PageKind kind)
{
	Page	   *page = &call_of(request)->page;

	*page = (Page) {.kind = kind, .limit = PAGE_DEFAULT, .last = -1, .after = {0, -1}, .before = {0, -1}};
	if (!query_flag(request, "deleted", &page->deleted))
		return false;
	if (!uri_each_pair(request->query, strlen(request->query), take_parameter, request))
	{
		if (request->status == 0)
			respond_error(request, MHD_HTTP_BAD_REQUEST, "The query is not correctly encoded UTF-8.");
		return false;
	}
	if (kind != PAGE_OF_MESSAGES && (page->last > 0 || page->sender.bytes || page->deleted))
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST, "Query parameter '%s' is for the list of a chat's messages only.",
					  page->last > 0 ? "last" : page->sender.bytes ? "sender" : "deleted");
		return false;
	}
	if (kind == PAGE_OF_CHANGES && page->before.number >= 0)
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST, "Query parameter 'before' is not for changes.");
		return false;
	}
	if (page->last > 0 && (page->limit_given || page->after.number >= 0 || page->before.number >= 0))
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST,
					  "Query parameter 'last' cannot be combined with 'limit', 'after' or 'before'.");
		return false;
	}
	return true;
}

/* Is it a bound? The start of a list is not. */
static bool
is_bound(Place place)
{
	return place.chat > 0 || place.number > 0;
}

static void
add_bound(Request *request, Place place)
{
	if (call_of(request)->page.kind == PAGE_ACROSS_CHATS)
		query_add_pair(&call_of(request)->query, place.chat, place.number);
	else
		call_add_number(request, is_bound(place) ? place.number : 0);
}

void
page_add_bounds(Request *request)
{
	if (call_of(request)->page.last > 0)
	{
		call_add_number(request, call_of(request)->page.last);
		call_of(request)->query.max_rows = call_of(request)->page.last;
		return;
	}
	add_bound(request, call_of(request)->page.after);
	add_bound(request, call_of(request)->page.before);
	call_add_number(request, call_of(request)->page.limit);
	call_of(request)->query.max_rows = call_of(request)->page.limit;
}

/* The next place; the same if there is none. */
static Place
place_behind(Place place)
{
	if (place.number < INT_MAX)
		return (Place) {place.chat, place.number + 1};
	if (place.chat > 0 && place.chat < INT_MAX)
		return (Place) {place.chat + 1, 1};
	return place;
}

static bool
place_is_before(Place place, Place other)
{
	return place.chat < other.chat || (place.chat == other.chat && place.number < other.number);
}

/* Writes name=place. */
static void
print_bound(FILE *stream, const char *name, Place place)
{
	fprintf(stream, "%s=", name);
	if (place.chat)
		fprintf(stream, "%d.", place.chat);
	fprintf(stream, "%d", place.number);
}

/*
 * Writes one link. text is the encoded search text or sender, or NULL; before is a second
 * bound, or none.
 */
static void
print_link(FILE *stream, const Page *page, const char *text,
		   const char *bound, Place place, Place before, const char *relation)
{
	if (ftell(stream) > 0)
		fputs(", ", stream);
	/* Relative to this list, whatever path a gateway shows it under. */
	fputs("<?", stream);
	if (text)
		fprintf(stream, "%s=%s&", page->search.bytes ? "query" : "sender", text);
	if (page->deleted)
		fputs("deleted=true&", stream);
	if (page->limit_given)
		fprintf(stream, "limit=%d&", page->limit);
	if (page->last > 0)
		fprintf(stream, "limit=%d&", page->last);
	print_bound(stream, bound, place);
	if (is_bound(before))
		print_bound(stream, "&before", before);
	fprintf(stream, ">; rel=\"%s\"", relation);
}

/* Does the page have the rows closest to its upper bound, rather than its lower one? */
static bool
is_backward(const Page *page)
{
	return page->last > 0 || (is_bound(page->before) && !is_bound(page->after));
}

/*
 * The Link header, malloc'ed; NULL for none. A full page may have a next one, up
 * to the bound that the client gave. A page that ends at a bound of the client's
 * has a next one without that bound. only_next leaves out the link back.
 */
static char *
page_link(Request *request, const Extent *extent, bool only_next)
{
	const Page *page = &call_of(request)->page;
	bool		empty = extent->count == 0 && !extent->cut;
	bool		full = extent->cut || extent->count == (page->last > 0 ? page->last : page->limit);
	Place		first = empty ? place_behind(page->after) : extent->first;
	Place		last = empty ? first : extent->last;
	Place		none = {0};
	Place		bound = is_backward(page) ? none : page->before;
	bool		next = !empty && page->last < 0 &&
		(is_backward(page) || (full && (!is_bound(bound) || place_is_before(place_behind(last), bound))));
	bool		back = !only_next && (first.chat > 1 || first.number > 1) &&
		(is_bound(page->after) || (full && is_backward(page)));
	Text		kept = page->search.bytes ? page->search : page->sender;
	char	   *text = NULL;
	char	   *link = NULL;
	size_t		length;
	FILE	   *stream;

	if (!next && !back)
		return NULL;
	if (kept.bytes)
		text = uri_encode(kept.bytes, kept.length);
	stream = open_memstream(&link, &length);
	if (stream)
	{
		if (next)
			print_link(stream, page, text, "after", last, bound, "next");
		if (back)
			print_link(stream, page, text, "before", first, none, "prev");
		fclose(stream);
	}
	free(text);
	return link;
}

/* Does the header fit into the connection's memory beside the request? */
static bool
link_fits(Request *request, const char *link)
{
	return link == NULL ||
		strlen(link) + strlen(request->target) + OTHER_HEADERS < CONNECTION_MEMORY;
}

/* Responds with a page's body, malloc'ed, or NULL without memory for it. */
static void
answer(Request *request, const Extent *extent, char *body)
{
	char	   *link = page_link(request, extent, false);

	if (!link_fits(request, link))
	{
		free(link);
		link = page_link(request, extent, true);
	}
	if (link_fits(request, link))
		respond_ok(request, body, link);
	else
	{
		free(body);
		/* Without a link the client would miss the rest and not know. */
		respond_error(request, MHD_HTTP_URI_TOO_LONG,
					  "There is another page, and the query is too long for a link to it: use a higher 'limit'.");
	}
	free(link);
}

void
page_answer(Request *request, const Rows *rows)
{
	Extent		extent = {
		.count = rows_number(rows, 0, PAGE_COUNT),
		.cut = *PQgetvalue(rows->result, rows->first, PAGE_CUT) == 't',
		.first.number = rows_number(rows, 0, PAGE_FIRST),
		.last.number = rows_number(rows, 0, PAGE_LAST)
	};

	if (call_of(request)->page.kind == PAGE_ACROSS_CHATS)
	{
		extent.first.chat = rows_number(rows, 0, PAGE_FIRST_CHAT);
		extent.last.chat = rows_number(rows, 0, PAGE_LAST_CHAT);
	}
	answer(request, &extent, rows_text(rows, PAGE_MESSAGES));
}

void
page_answer_rows(Request *request, const Rows *rows, int number_column, RowPrinter print)
{
	Extent		extent = {.count = rows->count};

	if (rows->count > 0)
	{
		extent.first.number = rows_number(rows, 0, number_column);
		extent.last.number = rows_number(rows, rows->count - 1, number_column);
	}
	answer(request, &extent, rows_array(rows, print));
}

void
page_answer_none(Request *request)
{
	answer(request, &(Extent) {0}, strdup("[]"));
}
