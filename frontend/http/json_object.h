/*
 * json_object.h
 *		Checks a JSON object that goes to the database as it was sent.
 */
#ifndef CHATD_JSON_OBJECT_H
#define CHATD_JSON_OBJECT_H

#include <stddef.h>

/*
 * What is wrong with a text that has to be a JSON object which PostgreSQL stores as it is
 * meant, as a predicate, such as "must be an object"; NULL if it is one. Takes time in
 * proportion to the text.
 */
extern const char *json_object_fault(const char *text, size_t length);

#endif
