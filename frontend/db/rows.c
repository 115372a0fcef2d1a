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

char *
rows_text(const Rows *rows, int column)
{
	size_t		size = PQgetlength(rows->result, rows->first, column) + 1;
	char	   *text = malloc(size);

	return text ? memcpy(text, PQgetvalue(rows->result, rows->first, column), size) : NULL;
}

char *
rows_object(const Rows *rows, RowPrinter print)
{
	char	   *text = NULL;
	size_t		length;
	FILE	   *stream = open_memstream(&text, &length);

	if (stream == NULL)
		return NULL;
	print(stream, rows->result, rows->first);
	return fclose(stream) == 0 ? text : NULL;
}

char *
rows_array(const Rows *rows, RowPrinter print)
{
	char	   *text = NULL;
	size_t		length;
	FILE	   *stream = open_memstream(&text, &length);

	if (stream == NULL)
		return NULL;
	fputc('[', stream);
	for (int row = 0; row < rows->count; row++)
	{
		if (row > 0)
			fputc(',', stream);
		print(stream, rows->result, rows->first + row);
	}
	fputc(']', stream);
	return fclose(stream) == 0 ? text : NULL;
}
