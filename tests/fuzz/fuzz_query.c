/*
 * fuzz_query.c
 *		The query of a target: the page of a list that it asks for.
 *
 * A page that is accepted must be within its bounds.
 */
#include "request.h"

#include "api/pagination.h"
#include "common/utf8.h"

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	Request    *request;
	const Page *page;

	if (size == 0)
		return 0;
	request = request_new("GET", data + 1, size - 1);
	request->query = request->target;
	page = &call_of(request)->page;
	if (page_read(request, data[0] % (PAGE_ACROSS_CHATS + 1)))
	{
		assert(request->status == 0);
		assert(page->limit >= 1 && page->limit <= PAGE_MAXIMUM);
		assert(page->last == -1 || (page->last >= 1 && page->last <= PAGE_MAXIMUM && page->kind == PAGE_OF_MESSAGES));
		assert(page->after.number >= -1 && page->before.number >= -1);
		assert(page->kind == PAGE_ACROSS_CHATS || (page->after.chat == 0 && page->before.chat == 0));
		if (page->search.bytes)
			assert(utf8_is_valid(page->search.bytes, page->search.length));
		page_add_bounds(request);
	}
	else
		assert(request->status == MHD_HTTP_BAD_REQUEST);
	request_free(request);
	return 0;
}
