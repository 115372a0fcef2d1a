/*
 * rows.c
 *		Rows of a result, and JSON made of them.
 *
 * The statements return text as JSON already (see statements.c), and numbers are
 * the same in both, so that values only have to be concatenated.
 */
#include <stdlib.h>
#include <string.h>

#include "db/rows.h"

int
rows_number(const Rows *rows, int row, int column)
{
	return atoi(PQgetvalue(rows->result, rows->first + row, column));
}

bool
rows_flag(const Rows *rows, int column)
{
	return *PQgetvalue(rows->result, rows->first, column) == 't';
}

char *
rows_text(const Rows *rows, int column)
{
	size_t		size = PQgetlength(rows->result, rows->first, column) + 1;
	char	   *text = malloc(size);

	return text ? memcpy(text, PQgetvalue(rows->result, rows->first, column), size) : NULL;
}

void
row_member(Json *json, const char *name, const PGresult *result, int row, int column)
{
	json_member_value(json, name, PQgetvalue(result, row, column), PQgetlength(result, row, column));
}

void
row_member_text(Json *json, const char *name, const PGresult *result, int row, int column)
{
	json_member_text(json, name, PQgetvalue(result, row, column), PQgetlength(result, row, column));
}

char *
rows_object(const Rows *rows, RowPrinter print)
{
	Json		json = {0};

	print(&json, rows->result, rows->first);
	return json_end(&json);
}

char *
rows_array(const Rows *rows, RowPrinter print)
{
	Json		json = {0};

	json_open(&json, '[');
	for (int row = 0; row < rows->count; row++)
		print(&json, rows->result, rows->first + row);
	json_close(&json, ']');
	return json_end(&json);
}
