/*
 * json.h
 *		Writes JSON.
 *
 * A text of JSON is written from left to right, and the commas are put where they belong:
 * a value or a member is preceded by one unless it is the first of its array or object.
 * A writer is zeroed at the start. Without memory it goes on without writing, and
 * json_end() tells.
 */
#ifndef CHATD_JSON_H
#define CHATD_JSON_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Json
{
	char	   *bytes;			/* NULL: nothing was written yet */
	size_t		used;
	size_t		size;
	bool		failed;			/* there was no memory for all of it */
} Json;

/* Begin and end an array or an object: one of [ { and one of ] }. */
extern void json_open(Json *json, char bracket);
extern void json_close(Json *json, char bracket);

/* The name of a member, whose value is written next: of plain ASCII, without quotes. */
extern void json_name(Json *json, const char *name);

/* A string. It should be UTF-8; what is not is replaced by U+FFFD. */
extern void json_text(Json *json, const char *text, size_t length);

extern void json_number(Json *json, int number);

/* How many ASCII characters at the start of a text stand for themselves in a string of JSON. */
extern size_t json_plain_length(const char *text, size_t length);

/* A value that is JSON already. */
extern void json_value(Json *json, const char *value, size_t length);

/* Members: a name and its value. */
extern void json_member_text(Json *json, const char *name, const char *text, size_t length);
extern void json_member_number(Json *json, const char *name, int number);
extern void json_member_value(Json *json, const char *name, const char *value, size_t length);

/* The text, malloc'ed and followed by a NUL; NULL if there was no memory for it. */
extern char *json_end(Json *json);

/* Throws away what was written. */
extern void json_free(Json *json);

#endif
