/*
 * sql_signature.h
 *	  Declarations of functions of the library: see sql_signature.c.
 */
#ifndef PG_CHAT_SQL_SIGNATURE_H
#define PG_CHAT_SQL_SIGNATURE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"

#define SQL_SIGNATURE_ARGS_MAX 12
#define SQL_SIGNATURE_COLUMNS_MAX 12

/*
 * The type of an argument that a C function takes in two forms: the caller of
 * the check says which one.
 */
#define APPLICATION_ARG InvalidOid

/*
 * The arguments and the result of a function or procedure. One that returns rows has columns,
 * another has result.
 */
typedef struct SqlSignature
{
	int			nargs;
	Oid			args[SQL_SIGNATURE_ARGS_MAX];
	Oid			result;
	bool		returns_set;
	bool		procedure;
	bool		any_version;	/* works with any version of the schema */
	int			ncolumns;
	Oid			columns[SQL_SIGNATURE_COLUMNS_MAX];
	Oid			checked;		/* the function last found to be declared so */
	uint64		generation;		/* of functions at that time */
} SqlSignature;

#define SQL_ARGS(...) \
	.nargs = lengthof(((Oid[]) {__VA_ARGS__})), .args = {__VA_ARGS__}
#define SQL_RETURNS(type) \
	.result = type
#define SQL_RETURNS_ROW(...) \
	.ncolumns = lengthof(((Oid[]) {__VA_ARGS__})), .columns = {__VA_ARGS__}
#define SQL_RETURNS_ROWS(...) \
	.returns_set = true, SQL_RETURNS_ROW(__VA_ARGS__)

extern void sql_signature_init(void);
extern void sql_signature_check(FunctionCallInfo fcinfo, SqlSignature *signature, Oid application_type);
extern TupleDesc sql_signature_row(FunctionCallInfo fcinfo, const SqlSignature *signature);
extern void sql_signature_check_row(const SqlSignature *signature, TupleDesc descriptor);

#endif							/* PG_CHAT_SQL_SIGNATURE_H */
