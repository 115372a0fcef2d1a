/*
 * form_reader.h
 *		Reads a form as it arrives, and keeps only the wanted fields.
 *
 * The fields are named data[field]. A form may have no pairs at all, but not only other
 * ones, and neither a field without data[] nor a name that differs from a field's in letter
 * case only. All names and values must be correctly encoded UTF-8, but those of other names
 * are not kept. data[field][...] is that field with a type that no field has.
 */
#ifndef CHATD_FORM_READER_H
#define CHATD_FORM_READER_H

#include "common/utf8.h"
#include "http/field.h"

#define FORM_NAME_MAX (FIELD_NAME_MAX + sizeof("data[]") - 1)

typedef enum FormError
{
	FORM_VALID,
	FORM_MALFORMED,
	FORM_NAME_MISSPELT,			/* reader->name is a field's but for its letter case */
	FORM_DATA_MISSING,			/* though there are other names */
	FORM_FIELD_OUTSIDE,			/* reader->outside is not in data[] */
	FORM_TOO_LARGE				/* there is no room for a field */
} FormError;

typedef struct FormReader
{
	Fields	   *fields;
	FormError	error;
	bool		in_value;		/* else in a name */
	bool		names_given;
	bool		data_given;		/* a name begins with data[ */
	const Field *outside;		/* a field that is named without it, or NULL */
	char		name[FORM_NAME_MAX];
	size_t		name_length;	/* FORM_NAME_MAX + 1: too long for any field */
	Field	   *field;			/* that the value belongs to, or NULL */
	int			escape_digits;	/* of %XX, still to come */
	int			escape;
	Utf8		utf8;
} FormReader;

/* Begins a form whose wanted fields are these. */
extern void form_reader_begin(FormReader *reader, Fields *fields);

/* Reads a piece of the form. Returns false on an error, after which no more may follow. */
extern bool form_reader_feed(FormReader *reader, const char *bytes, size_t length);

/* Ends the form. Returns false on an error. */
extern bool form_reader_end(FormReader *reader);

#endif
