/*
 * statements.h
 *		The statements that chatd sends, prepared in every session that may need them.
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
	DELETE_CHAT,
	CREATE_MESSAGES,
	CREATE_ALL_MESSAGES,		/* or none */
	IMPORT_MESSAGES,
	IMPORT_APPLICATION,
	UPDATE_MESSAGE,
	DELETE_MESSAGE,
	GET_MESSAGES,
	LIST_MESSAGES,
	LAST_MESSAGES,
	LIST_FILTERED_MESSAGES,		/* of a sender, or deleted ones, too */
	LAST_FILTERED_MESSAGES,
	LIST_CHANGES,
	SEARCH_MESSAGES,
	SEARCH_APPLICATION,
	CHECK_KEYS,
	NOTE_KEY_USE,
	GET_VERIFICATION_KEYS,
	GET_TOKENS,
	CREATE_TICKET,
	USE_TICKET,
	GET_POSITIONS,
	GET_CHATS_POSITIONS,
	SET_CURSOR,
	GET_CURSOR,
	LIST_CURSORS,
	LIST_UNREAD,
	WAIT_FOR_CHANGES,
	GET_LSN,
	GET_REPLAYED_LSN,
	GET_FIGURES,
	GET_STATUS,
	GET_BACKEND,
	OPEN_EXPORT,				/* from here on of exports: see exports.c */
	MEASURE_EXPORT,
	REWIND_EXPORT,
	READ_EXPORT,
	STATEMENT_COUNT
} StatementId;

/*
 * A batch statement serves many queries in one call. Its parameters are arrays
 * with one element per query; one of pages has another, the bytes that each page
 * may have. The last column has the position of the element that a row belongs to,
 * counted from 1, and rows are in that order. An element without a row names something
 * that does not exist.
 */
typedef enum BatchKind
{
	NO_BATCH,
	BATCH,
	BATCH_OF_PAGES
} BatchKind;

/*
 * The server that a statement is for. A standby is behind the primary, by little as a rule: it may
 * answer what is read. What decides who may do what is asked for at the primary, as long as
 * that is there.
 */
typedef enum ServerKind
{
	PRIMARY_ONLY,
	PRIMARY_FIRST,				/* a standby, while the primary is away */
	STANDBY_FIRST				/* the primary, while no standby is there */
} ServerKind;

typedef struct Statement
{
	const char *name;
	const char *text;
	BatchKind	batch;
	bool		scans;			/* it may read many more rows than it returns */
	ServerKind	server;
} Statement;

/* Bytes of JSON in a page, at most, unless it is a single row; less where one call reads many pages. */
#define PAGE_BYTES (1024 * 1024)

/* Bytes of a page of an export, at most, unless it is a single line. */
#define EXPORT_PAGE_BYTES (128 * 1024)

/* The most parameters of a statement. */
#define PARAMETERS_MAX 11

extern const Statement statements[STATEMENT_COUNT];

/* Is it one of those that exports take, and nothing else? */
static inline bool
statement_is_of_exports(int id)
{
	return id >= OPEN_EXPORT;
}

/* How many parameters the text of a statement names. */
extern int	statement_parameters(const Statement *statement);

#endif
