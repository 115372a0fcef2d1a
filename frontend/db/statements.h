/*
 * statements.h
 *		The statements that chatd sends, prepared in every session.
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
 * A batch statement serves many queries in one call. Its parameters are arrays
 * with one element per query. The last column has the position of the element
 * that a row is for, from 1 on, and the rows are in that order. If an element has
 * no row, what its query names does not exist; a row whose first column is null
 * stands for an empty list.
 */
typedef struct Statement
{
	const char *name;
	const char *text;
	bool		batch;
} Statement;

extern const Statement statements[STATEMENT_COUNT];

#endif
