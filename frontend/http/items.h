/*
 * items.h
 *		The items of a body whose data is an array: the fields of each.
 */
#ifndef CHATD_ITEMS_H
#define CHATD_ITEMS_H

#include "http/field.h"

#define ITEMS_MAX 1000

typedef struct Items
{
	const char *const *names;	/* of the fields; NULL: the data must not be an array */
	Fields	   *list;
	int			count;
	int			size;
	bool		given;			/* the data is an array */
	Share	   *share;			/* that pays for their memory */
} Items;

/* Begins the next item. Returns NULL if the share has no room for it, or out of memory. */
extern Fields *items_add(Items *items);

/* Frees all items. */
extern void items_free(Items *items);

#endif
