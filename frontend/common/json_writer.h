/*
 * json_writer.h
 *		Writes JSON.
 *
 * JSON is written from left to right. Commas need not be: a value or a member that is not the
 * first of its array or object is preceded by one. A writer is zeroed at the start. When it is
 * out of memory it ignores the rest, and json_end() tells.
 */
#ifndef CHATD_JSON_WRITER_H
#define CHATD_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Json
{
	char	   *bytes;			/* NULL: nothing was written yet */
	size_t		used;
	size_t		size;
	bool		failed;			/* out of memory */
} Json;

/* Begins an array or an object, with its bracket. */
extern void json_open(Json *json, char bracket);

/* Ends an array or an object, with its bracket. */
extern void json_close(Json *json, char bracket);

/* Writes the name of a member, which needs no escapes; its value is to follow. */
extern void json_name(Json *json, const char *name);

/* Writes a string of UTF-8. Bytes that are not valid are replaced by U+FFFD. */
extern void json_text(Json *json, const char *text, size_t length);

/* Writes a number. */
extern void json_number(Json *json, int number);

/* How many ASCII characters at the start of a text stand for themselves in a string of JSON. */
extern size_t json_plain_length(const char *text, size_t length);

/* Writes a value that is JSON already. */
extern void json_value(Json *json, const char *value, size_t length);

/* Writes a member that is a string, as json_text() does. */
extern void json_member_text(Json *json, const char *name, const char *text, size_t length);

/* Writes a member that is a number. */
extern void json_member_number(Json *json, const char *name, int number);

/* Writes a member whose value is JSON already. */
extern void json_member_value(Json *json, const char *name, const char *value, size_t length);

/* Ends the writer. Returns the JSON, malloc'ed and followed by a NUL; NULL if out of memory. */
extern char *json_end(Json *json);

/* Discards what was written. */
extern void json_free(Json *json);

#endif
