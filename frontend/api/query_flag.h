/*
 * query_flag.h
 *		A parameter of the URL's query that is true or false.
 */
#ifndef CHATD_QUERY_FLAG_H
#define CHATD_QUERY_FLAG_H

#include "http/request.h"

/*
 * Returns the value of a parameter in *value, false if it is not there. If it is neither true nor
 * false, or is given twice, responds and returns false. Ignores all other parameters.
 */
extern bool query_flag(Request *request, const char *name, bool *value);

/* Parses a flag. Returns false if it is neither true nor false. */
extern bool query_flag_parse(const char *text, bool *value);

#endif
