/*
 * json_reader.h
 *		Reads a JSON body as it arrives, and keeps only the wanted fields.
 *
 * A body is {"data": {...}}, and the fields are members of "data"; or {"data": [{...}]},
 * where that is allowed, and they are members of each item. It may have no
 * members at all, and may begin with a byte order mark. All of the body must be valid
 * JSON, but nothing else in it is kept, however many values there are: a reader has a
 * fixed size, and takes time in proportion to the bytes. A key may not be repeated if it
 * is "data" or a field's, nor differ from it in letter case only, and a field's may not
 * stand beside "data"; others are ignored.
 */
#ifndef CHATD_JSON_READER_H
#define CHATD_JSON_READER_H

#include "http/items.h"
#include "http/json_number.h"
#include "http/json_string.h"

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
	JSON_DATA_NOT_AN_OBJECT,	/* nor null, nor an array where that is allowed */
	JSON_ITEM_NOT_AN_OBJECT,	/* the reader->items->count'th, from 0 on */
	JSON_TOO_MANY_ITEMS,
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
	JSON_IN_LITERAL,
	JSON_IN_NUMBER
} JsonState;

typedef struct JsonReader
{
	Fields	   *fields;			/* of the data */
	Fields	   *current;		/* of the data, or of the item at hand */
	Items	   *items;
	JsonError	error;
	JsonState	state;
	int			line;			/* of the next character, from 1 on */
	int			column;			/* of the last character, from 1 on */

	/* nesting: for each depth, is it an object? */
	int			depth;
	unsigned char is_object[JSON_MAX_DEPTH / 8];

	/* where in the body we are */
	bool		root_is_object;
	bool		root_has_members;
	const Field *outside;		/* a field that is named at the root, or NULL */
	bool		data_given;
	bool		data_is_invalid;
	bool		next_is_data;	/* the next value is the one of "data" */
	bool		in_list;		/* in the data, which is an array */
	int			fields_depth;	/* at which keys are names of fields; 0: not here */
	Field	   *field;			/* that the value belongs to, or NULL */
	Field	   *copied;			/* an object of which all that is read is kept; or NULL */
	int			copied_depth;	/* around it */

	/* the string, literal or number at hand */
	bool		is_key;
	char		key[FIELD_NAME_MAX + 1];
	size_t		key_length;		/* FIELD_NAME_MAX + 1: too long for any field */
	JsonString	string;
	const char *literal;		/* the characters that must follow */
	JsonNumber	number;
} JsonReader;

/* Begins a body whose wanted fields are these, or those of these items. */
extern void json_reader_begin(JsonReader *reader, Fields *fields, Items *items);

/* Reads a piece of the body. Returns false on an error, after which no more may follow. */
extern bool json_reader_feed(JsonReader *reader, const char *bytes, size_t length);

/* Ends the body. Returns false on an error. */
extern bool json_reader_end(JsonReader *reader);

#endif
