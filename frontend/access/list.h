/*
 * list.h
 *		Settings that are lists, separated by commas.
 */
#ifndef CHATD_LIST_H
#define CHATD_LIST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Calls take with each element of a setting, without surrounding white space;
 * NULL is an empty list. If take refuses an element, returns a message that
 * names the setting, which is valid until the next call; else NULL.
 */
extern const char *list_each(const char *setting, const char *name, const char *wanted,
							 bool (*take) (const char *element, size_t length));

#endif
