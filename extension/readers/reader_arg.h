/*
 * reader_arg.h
 *	  The name of a reader or a consumer as an argument: see reader_arg.c.
 */
#ifndef PG_CHAT_READER_ARG_H
#define PG_CHAT_READER_ARG_H

#include "postgres.h"

#include "fmgr.h"

extern Datum reader_argument(FunctionCallInfo fcinfo, int n);
extern Datum consumer_argument(FunctionCallInfo fcinfo, int n);
extern uint32 reader_hash(int32 application, Datum name);

#endif							/* PG_CHAT_READER_ARG_H */
