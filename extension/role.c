/*
 * role.c
 *	  The role chat_api, which chatd logs in with.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "utils/acl.h"

PG_FUNCTION_INFO_V1(chat_create_api_role);

/*
 * chat.create_api_role() returns void
 *
 * Creates the role, unless the cluster has it already. In C, since the
 * installation script cannot say IF NOT EXISTS of a role without depending on
 * a procedural language. The role may log in but has no password: until it is
 * given one, pg_hba.conf decides alone.
 */
Datum
chat_create_api_role(PG_FUNCTION_ARGS)
{
	if (!OidIsValid(get_role_oid("chat_api", true)))
	{
		SPI_connect();
		if (SPI_execute("CREATE ROLE chat_api LOGIN", false, 0) != SPI_OK_UTILITY)
			elog(ERROR, "could not create the role chat_api");
		SPI_finish();
	}
	PG_RETURN_VOID();
}
