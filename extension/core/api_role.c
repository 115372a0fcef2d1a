/*
 * api_role.c
 *	  The role chat_api, which chatd logs in with.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/acl.h"

#include "common/sql_signature.h"

PG_FUNCTION_INFO_V1(chat_create_api_role);

/*
 * Warn if the existing role has more rights than it should, or cannot log in.
 * The search_path is not pinned here: CREATE EXTENSION sets it.
 */
static void
check_role(void)
{
	if (SPI_execute("SELECT FROM pg_catalog.pg_roles AS r WHERE rolname OPERATOR(pg_catalog.=) 'chat_api'"
					" AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR NOT rolcanlogin"
					" OR EXISTS (SELECT FROM pg_catalog.pg_auth_members AS m WHERE m.member OPERATOR(pg_catalog.=) r.oid))",
					true, 0) == SPI_OK_SELECT && SPI_processed > 0)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("the role chat_api exists, and is not as pg_chat would have created it"),
				 errdetail("It has attributes or memberships beyond LOGIN, or may not log in."),
				 errhint("See \\du chat_api. It should be able to log in, and nothing else.")));
}

/*
 * chat.create_api_role() returns void
 *
 * Creates the role, unless the cluster has it; then warns if it is not as it
 * should be. In C, since the installation script cannot create a role
 * conditionally without depending on a procedural language. The role may log in
 * but has no password: until it is given one, pg_hba.conf alone decides who
 * may.
 */
Datum
chat_create_api_role(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(VOIDOID), .any_version = true};

	sql_signature_check(fcinfo, &signature, InvalidOid);
	SPI_connect();
	if (OidIsValid(get_role_oid("chat_api", true)))
		check_role();
	else if (SPI_execute("CREATE ROLE chat_api LOGIN", false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not create the role chat_api");
	SPI_finish();
	PG_RETURN_VOID();
}
