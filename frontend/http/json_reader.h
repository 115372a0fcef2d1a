/*
 * json_reader.h
 *		Reads a JSON body as it arrives, and keeps the wanted fields alone.
 *
 * A body is {"data": {...}}, and the fields are members of "data". It may have no
 * members at all, and may begin with a byte order mark. All of the body must be valid
 * JSON, but nothing else in it is kept, however many values there are: a reader has a
 * fixed size, and takes time in proportion to the bytes. A key may not be repeated if it
 * is "data" or a field's, nor differ from it in letter case only, and a field's may not
 * stand beside "data"; others are ignored.
 */
#ifndef CHATD_JSON_READER_H
#define CHATD_JSON_READER_H

#include "common/utf8.h"
#include "http/field.h"

#define JSON_MAX_DEPTH 2048		/* of arrays and objects in each other */

typedef enum JsonError
{
	JSON_VALID,
	JSON_MALFORMED,				/* at reader->line and column */
	JSON_KEY_REPEATED,			/* reader->key is given twice */
	JSON_KEY_MISSPELT,			/* reader->key is a field's but for its letter case */
	JSON_DATA_MISSING,			/* though there are other members */
	JSON_FIELD_OUTSIDE,			/* reader->outside is beside "data" */
	JSON_NOT_AN_OBJECT,			/* the body */
	JSON_DATA_NOT_AN_OBJECT,	/* nor null */
	JSON_TOO_LARGE				/* there is no room for a field */
} JsonError;

typedef enum JsonState
{
	JSON_BEFORE_ALL,			/* a byte order mark, or a value */
	JSON_IN_MARK,
	JSON_BEFORE_VALUE,
	JSON_BEFORE_FIRST_ELEMENT,	/* a value, or the end of the array */
	JSON_BEFORE_FIRST_KEY,		/* a key, or the end of the object */
	JSON_BEFORE_KEY,
	JSON_AFTER_KEY,
	JSON_AFTER_VALUE,
	JSON_IN_STRING,
	JSON_IN_ESCAPE,
	JSON_IN_CODE,				/* \uXXXX */
	JSON_IN_LITERAL,
	JSON_IN_NUMBER
} JsonState;

/* The last character of a number: which one may follow. */
typedef enum NumberState
{
	NUMBER_SIGN,
	NUMBER_ZERO,
	NUMBER_DIGITS,
	NUMBER_POINT,
	NUMBER_FRACTION,
	NUMBER_E,
	NUMBER_E_SIGN,
	NUMBER_EXPONENT
} NumberState;

typedef struct JsonReader
{
	Fields	   *fields;
	JsonError	error;
	JsonState	state;
	int			line;			/* of the next character, from 1 on */
	int			column;			/* of the last character, from 1 on */

	/* nesting: is the array or object at a depth an object? */
	int			depth;
	unsigned char is_object[JSON_MAX_DEPTH / 8];

	/* what the fields depend on */
	bool		root_is_object;
	bool		root_has_members;
	const Field *outside;		/* a field that is named at the root, or NULL */
	bool		data_given;
	bool		data_is_object;
	bool		data_is_invalid;
	bool		in_data;
	bool		next_is_data;	/* the next value is the one of "data" */
	Field	   *field;			/* that the value belongs to, or NULL */

	/* the string, literal or number at hand */
	bool		is_key;
	char		key[FIELD_NAME_MAX + 1];
	size_t		key_length;		/* FIELD_NAME_MAX + 1: too long for any field */
	Utf8		utf8;
	int			code_digits;	/* of \uXXXX, read so far */
	unsigned	code;
	unsigned	high_surrogate; /* awaits its other half, or 0 */
	const char *literal;		/* the characters that must follow */
	NumberState number;
} JsonReader;

extern void json_reader_begin(JsonReader *reader, Fields *fields);

/* Reads a piece of the body. Returns false on an error; then no more may follow. */
extern bool json_reader_feed(JsonReader *reader, const char *bytes, size_t length);

/* The body is complete. Returns false on an error. */
extern bool json_reader_end(JsonReader *reader);

#endif
