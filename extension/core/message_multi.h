/*
 * message_multi.h
 *	  Many messages found in one statement: see message_multi.c and message_json.c.
 *
 * Items are looked up one by one: subqueries with a LIMIT that depend on their
 * item leave the planner no choice but a loop over the items. So each row is
 * reached by its key, whatever the statistics are, and the rows of a subquery
 * stay in their order.
 */
#ifndef PG_CHAT_MESSAGE_MULTI_H
#define PG_CHAT_MESSAGE_MULTI_H

#define JOIN_ONE(select, alias) \
	" JOIN LATERAL (" select " LIMIT 1) AS " alias " ON true"

/* The application of an item k; key is the column that names it. */
#define JOIN_APPLICATION(key) \
	JOIN_ONE("SELECT applications.id FROM chat.applications WHERE applications." key " = k.application", "a")

#endif							/* PG_CHAT_MESSAGE_MULTI_H */
