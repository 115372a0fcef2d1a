/*
 * field.h
 *		The fields of a body that a handler wants.
 *
 * The readers of bodies (json_reader.c, form_reader.c) look a field up by its
 * name and append its text as it arrives. All other members are skipped and take no
 * memory.
 */
#ifndef CHATD_FIELD_H
#define CHATD_FIELD_H

#include "http/share.h"

#define FIELDS_MAX 10
#define FIELD_NAME_MAX 32		/* bytes of a wanted field's name */

typedef enum FieldType
{
	FIELD_ABSENT,
	FIELD_NULL,
	FIELD_TEXT,
	FIELD_NUMBER,				/* its text is as sent */
	FIELD_TRUE,
	FIELD_FALSE,
	FIELD_OBJECT,				/* its text is the JSON as sent */
	FIELD_OTHER					/* of a type that no field has */
} FieldType;

typedef struct Field
{
	const char *name;
	FieldType	type;
	bool		repeated;
	char	   *text;			/* NULL: empty; else followed by a NUL */
	size_t		length;
	size_t		size;
} Field;

typedef struct Fields
{
	Field		list[FIELDS_MAX];
	int			count;
	char		unknown[FIELD_NAME_MAX + 1];	/* a name that was sent and is not wanted, maybe
												 * cut short; "": none */
	Share	   *share;			/* that pays for their memory */
} Fields;

/* Begins with the names of the wanted fields, an array that ends with NULL. */
extern void fields_begin(Fields *fields, const char *const *names, Share *share);

/* The field with this name; NULL if there is none. */
extern Field *fields_find(Fields *fields, const char *name, size_t length);

/* The field whose name differs from this one in nothing but letter case; NULL if there is none. */
extern const Field *fields_find_similar(const Fields *fields, const char *name, size_t length);

/* Notes a name that was sent and is not wanted. */
extern void fields_note_unknown(Fields *fields, const char *name, size_t length);

/* Appends to a field's text. Returns false if the share has no room for it, or out of memory. */
extern bool field_append(Fields *fields, Field *field, const char *bytes, size_t length);

/* Frees the texts; the fields are absent from now on. */
extern void fields_free(Fields *fields);

#endif
