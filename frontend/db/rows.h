/*
 * rows.h
 *		Rows of a result, and JSON made of them.
 */
#ifndef CHATD_ROWS_H
#define CHATD_ROWS_H

#include <libpq-fe.h>

#include "common/json.h"

/* The rows of a result that belong to one query. */
typedef struct Rows
{
	const PGresult *result;
	int			first;
	int			count;
} Rows;

/* Writes a row of a result as a JSON object. */
typedef void (*RowPrinter) (Json *json, const PGresult *result, int row);

/* The number in a column of a row, where row 0 is the first of these rows. */
extern int	rows_number(const Rows *rows, int row, int column);

/* Writes a member whose value, JSON already, is in a column of a result. */
extern void row_member(Json *json, const char *name, const PGresult *result, int row, int column);

/* What a column of the first row has; malloc'ed, NULL without memory. */
extern char *rows_text(const Rows *rows, int column);

/* The first row as an object, or all as an array; malloc'ed, NULL without memory. */
extern char *rows_object(const Rows *rows, RowPrinter print);
extern char *rows_array(const Rows *rows, RowPrinter print);

#endif
