/*
 * sql_signature.c
 *	  Declarations of functions of the library.
 *
 * A C function relies on its declaration in the installation script: the
 * number of arguments, their types, the result. The catalogs may say
 * otherwise. A superuser may declare a function of the library anew, with
 * another signature, and the owner of a composite type may change its
 * attributes. So each function checks its declaration first, and one that
 * returns rows checks these, too; otherwise it might read an integer as a
 * pointer.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "common/schema_version.h"
#include "common/sql_signature.h"

/* Counts changes of functions. */
static uint64 generation = 1;

static void
invalidate(Datum argument, int cache, uint32 hash)
{
	generation++;
}

/*
 * Register for changes of functions. Called once, when the library is loaded.
 */
void
sql_signature_init(void)
{
	CacheRegisterSyscacheCallback(PROCOID, invalidate, (Datum) 0);
}

static void
raise_misdeclared(Oid function)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
			 OidIsValid(function) ?
			 errmsg("function %s is not declared as pg_chat declares it", format_procedure(function)) :
			 errmsg("a function of pg_chat is not called as pg_chat declares it"),
			 errhint("Call the functions that CREATE EXTENSION pg_chat made.")));
}

static bool
is_declared(Form_pg_proc function, const SqlSignature *signature, Oid application_type)
{
	if (function->prokind != (signature->procedure ? PROKIND_PROCEDURE : PROKIND_FUNCTION) ||
		function->pronargs != signature->nargs ||
		function->proretset != signature->returns_set ||
		(signature->ncolumns == 0 && function->prorettype != signature->result))
		return false;
	for (int i = 0; i < signature->nargs; i++)
	{
		Oid			wanted = signature->args[i] == APPLICATION_ARG ? application_type : signature->args[i];

		if (function->proargtypes.values[i] != wanted)
			return false;
	}
	return true;
}

/*
 * Raise 55000 unless the schema has the library's version, and 42P13 unless the
 * called function is declared with this signature, and was given as many
 * arguments. application_type is the type of the argument that is
 * APPLICATION_ARG, or InvalidOid.
 */
void
sql_signature_check(FunctionCallInfo fcinfo, SqlSignature *signature, Oid application_type)
{
	Oid			oid = fcinfo->flinfo == NULL ? InvalidOid : fcinfo->flinfo->fn_oid;
	uint64		now = generation;
	HeapTuple	tuple;
	bool		declared;

	if (!signature->any_version)
		schema_version_require();
	if (!OidIsValid(oid) || fcinfo->nargs != signature->nargs)
		raise_misdeclared(oid);
	if (signature->checked == oid && signature->generation == now)
		return;

	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		raise_misdeclared(InvalidOid);
	declared = is_declared((Form_pg_proc) GETSTRUCT(tuple), signature, application_type);
	ReleaseSysCache(tuple);
	if (!declared)
		raise_misdeclared(oid);
	signature->checked = oid;
	signature->generation = now;
}

/* Raise 42804 unless a row type has the columns of the signature. */
void
sql_signature_check_row(const SqlSignature *signature, TupleDesc descriptor)
{
	bool		fits = descriptor != NULL && descriptor->natts == signature->ncolumns;

	for (int i = 0; fits && i < signature->ncolumns; i++)
		fits = !TupleDescAttr(descriptor, i)->attisdropped &&
			TupleDescAttr(descriptor, i)->atttypid == signature->columns[i];
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the row type that is to be returned does not have the columns that pg_chat gave it"),
				 errhint("Give the type its attributes again with ALTER TYPE.")));
}

/*
 * The descriptor of the row that a function is to return. Raises 42804 unless
 * it has the columns of the signature.
 */
TupleDesc
sql_signature_row(FunctionCallInfo fcinfo, const SqlSignature *signature)
{
	TupleDesc	descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		raise_misdeclared(fcinfo->flinfo->fn_oid);
	sql_signature_check_row(signature, descriptor);
	return BlessTupleDesc(descriptor);
}
