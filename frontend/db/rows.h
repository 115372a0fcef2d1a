/*
 * rows.h
 *		Rows of a result, and JSON made of them.
 */
#ifndef CHATD_ROWS_H
#define CHATD_ROWS_H

#include <libpq-fe.h>

#include "common/json_writer.h"

/* The rows of a result that belong to one query. */
typedef struct Rows
{
	const PGresult *result;
	int			first;
	int			count;
} Rows;

/* Writes a row of a result as a JSON object. */
typedef void (*RowPrinter) (Json *json, const PGresult *result, int row);

/* The number in a column of a row; row 0 is the first of these rows. */
extern int	rows_number(const Rows *rows, int row, int column);

/* Is the boolean in a column of the first row true? */
extern bool rows_flag(const Rows *rows, int column);

/* Writes a member whose value, in a column of a result, is JSON already. */
extern void row_member(Json *json, const char *name, const PGresult *result, int row, int column);

/* Writes a member whose value, in a column of a result, is text. */
extern void row_member_text(Json *json, const char *name, const PGresult *result, int row, int column);

/* The text in a column of the first row; malloc'ed, NULL if out of memory. */
extern char *rows_text(const Rows *rows, int column);

/* The first row as a JSON object; malloc'ed, NULL if out of memory. */
extern char *rows_object(const Rows *rows, RowPrinter print);

/* All rows as a JSON array; malloc'ed, NULL if out of memory. */
extern char *rows_array(const Rows *rows, RowPrinter print);

#endif
