/*
 * items.c
 *		The items of a body whose data is an array: the fields of each.
 */
#include <stdlib.h>

#include "http/items.h"

#define SIZE_FIRST 8

Fields *
items_add(Items *items)
{
	if (items->count == items->size)
	{
		int			size = items->size ? items->size * 2 : SIZE_FIRST;
		size_t		added = (size - items->size) * sizeof(Fields);
		Fields	   *list;

		if (!share_has_room(items->share, MEMORY_OF_BODIES, added))
			return NULL;
		list = realloc(items->list, size * sizeof(Fields));
		if (list == NULL)
			return NULL;
		share_take(items->share, MEMORY_OF_BODIES, added);
		items->list = list;
		items->size = size;
	}
	fields_begin(&items->list[items->count], items->names, items->share);
	return &items->list[items->count++];
}

void
items_free(Items *items)
{
	for (int i = 0; i < items->count; i++)
		fields_free(&items->list[i]);
	share_give(items->share, MEMORY_OF_BODIES, items->size * sizeof(Fields));
	free(items->list);
	items->list = NULL;
	items->count = items->size = 0;
}
