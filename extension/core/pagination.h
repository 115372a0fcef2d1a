/*
 * pagination.h
 *	  Lists by pages: see pagination.c.
 */
#ifndef PG_CHAT_PAGINATION_H
#define PG_CHAT_PAGINATION_H

#include "fmgr.h"

#include "common/spi_plan.h"

#define PAGE_LIMIT_DEFAULT 100
#define PAGE_LIMIT_MAXIMUM 1000

/* The part of a list that a caller asks for, by numbers. */
typedef struct ListPage
{
	int32		above;			/* numbers above this one */
	int32		through;		/* through this one */
	int32		limit;			/* the most rows */
	bool		from_end;		/* the last of these rows, not the first ones */
} ListPage;

/*
 * The statements of a list. Their parameters are the list's own, then above,
 * through and limit. Both return rows in ascending order.
 */
typedef struct PagePlans
{
	SavedPlan	from_start;
	SavedPlan	from_end;
} PagePlans;

/*
 * Statements made of their parts; parameters are given as strings, "$1".
 * Descending: from the end, the last row first.
 */
#define PAGE_SQL_FROM_START(select, key, above, through, limit) \
	select " AND " key " > " above \
	" AND " key " <= " through \
	" ORDER BY " key " LIMIT " limit
#define PAGE_SQL_DESCENDING(select, key, above, through, limit) \
	select " AND " key " > " above \
	" AND " key " <= " through \
	" ORDER BY " key " DESC LIMIT " limit
#define PAGE_SQL_FROM_END(select, key, above, through, limit) \
	"SELECT * FROM (" PAGE_SQL_DESCENDING(select, key, above, through, limit) ") AS page ORDER BY 1"

extern void page_raise_out_of_range(const char *argument, int minimum, int maximum);
extern ListPage page_from_values(NullableDatum after, NullableDatum before, NullableDatum limit);
extern ListPage page_from_arguments(FunctionCallInfo fcinfo, int first);
extern ListPage page_of_last(NullableDatum limit);
extern int32 page_limit(NullableDatum value);
extern int32 page_position(NullableDatum value, const char *argument);
extern int32 page_max_size(NullableDatum value);
extern uint64 page_store(PagePlans *plans, const Datum *arguments, int count, ListPage page,
						 RowStore store);

#endif							/* PG_CHAT_PAGINATION_H */
