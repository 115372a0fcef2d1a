/*
 * query_parameters.h
 *		The parameters of a query, for those that are not of a page of rows with numbers.
 */
#ifndef CHATD_QUERY_PARAMETERS_H
#define CHATD_QUERY_PARAMETERS_H

#include "http/request.h"
#include "http/uri.h"

/* A parameter, and where its value goes: an empty Text, which whoever has it frees. */
typedef struct QueryParameter
{
	const char *name;
	Text	   *value;
} QueryParameter;

/* Takes the parameters of the query that are listed. Returns false, and has responded, if that is impossible. */
extern bool query_parameters_read(Request *request, const QueryParameter *parameters, int count);

/*
 * Parses the number, from minimum to maximum, of a parameter; if it was not given, number is left as it is. Returns
 * false, and has responded, if it is none.
 */
extern bool query_parameter_number(Request *request, const char *name, Text value, int minimum, int maximum, int *number);

#endif
