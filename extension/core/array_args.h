/*
 * array_args.h
 *	  Array arguments of functions that work on many items: see array_args.c.
 */
#ifndef PG_CHAT_ARRAY_ARGS_H
#define PG_CHAT_ARRAY_ARGS_H

#include "postgres.h"

#include "fmgr.h"

/* An array argument, deconstructed. */
typedef struct ArrayArg
{
	Datum	   *values;
	bool	   *nulls;
	int			count;
} ArrayArg;

extern ArrayArg array_arg_of_applications(FunctionCallInfo fcinfo, Oid type);
extern ArrayArg array_arg_of_items(FunctionCallInfo fcinfo, int n, Oid type, const char *name, int count, const char *items);
extern ArrayArg array_arg_of_count(FunctionCallInfo fcinfo, int n, Oid type, const char *name, int count);
extern ArrayArg array_arg_or_nulls(FunctionCallInfo fcinfo, int n, Oid type, const char *name, int count);
extern NullableDatum array_arg_element(const ArrayArg *array, int i);

#endif							/* PG_CHAT_ARRAY_ARGS_H */
