/*
 * statements.h
 *		The statements that chatd sends, prepared on every connection.
 */
#ifndef CHATD_STATEMENTS_H
#define CHATD_STATEMENTS_H

#include <stdbool.h>

typedef enum StatementId
{
	CREATE_APPLICATION,
	GET_APPLICATION,
	LIST_APPLICATIONS,
	CREATE_CHAT,
	GET_CHAT,
	LIST_CHATS,
	CREATE_MESSAGES,
	GET_MESSAGES,
	LIST_MESSAGES,
	LAST_MESSAGES,
	SEARCH_MESSAGES,
	SEARCH_APPLICATION,
	STATEMENT_COUNT
} StatementId;

/*
 * batch: the statement serves many requests in one call. Its parameters are
 * arrays with an element for each of them; its last column tells which element
 * a row is for, from 1 on, and its rows are in that order. A request for which
 * there is no row asked for something that is missing; a row whose first
 * column is null stands for an empty list.
 */
typedef struct Statement
{
	const char *name;
	const char *text;
	bool		batch;
} Statement;

extern const Statement statements[STATEMENT_COUNT];

#endif
