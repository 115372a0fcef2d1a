/*
 * origin.h
 *		Protection against web pages of other origins.
 */
#ifndef CHATD_ORIGIN_H
#define CHATD_ORIGIN_H

#include "http/request.h"

/* Reads the settings. Returns what is wrong with them, or NULL. */
extern const char *origins_read(void);

/* Returns whether the origin of a request is allowed. If not, responds. */
extern bool origin_admits(Request *request);

/* Adds the headers that let a browser pass the response to its page. */
extern void origin_complete(Request *request);

#endif
