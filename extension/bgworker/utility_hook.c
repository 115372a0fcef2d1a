/*
 * utility_hook.c
 *	  Commands that affect workers.
 *
 * Some commands need a database to be free of connections: DROP DATABASE,
 * ALTER DATABASE ... RENAME and ... SET TABLESPACE, and CREATE DATABASE for
 * its template. The worker of the database exits for that time, provided that
 * the role has the right to give the command. It also exits for DROP EXTENSION
 * and DROP OWNED, which would have to wait for the locks of a count that is
 * under way.
 *
 * Other commands may give a database the extension: CREATE EXTENSION, CREATE
 * DATABASE. The launcher looks at the database after their commit.
 *
 * After COMMIT PREPARED it is not known which chats the transaction changed.
 * So if any prepared transaction changed chats, the worker scans everything.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "bgworker/utility_hook.h"
#include "changes/change_log.h"
#include "changes/database_hold.h"
#include "changes/database_registry.h"
#include "common/compat.h"

static ProcessUtility_hook_type previous_utility_hook = NULL;

/* Databases that are held until the transaction ends, in the transaction's memory. */
static List *held = NIL;

/* Whether the launcher is to look at this database after the commit. */
static bool probe_at_commit = false;

/*
 * Release databases, and tell the launcher. Not before the end of the
 * transaction, when others can see its outcome; and then whatever becomes of
 * the process.
 */
static void
on_transaction_end(XactEvent event, void *argument)
{
	ListCell   *cell;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	foreach(cell, held)
		database_release(lfirst_oid(cell));
	if (event == XACT_EVENT_COMMIT && probe_at_commit)
		registry_invite(MyDatabaseId);
	held = NIL;
	probe_at_commit = false;
}

static void
hold_until_end(Oid database)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);

	held = lappend_oid(held, database);
	MemoryContextSwitchTo(caller);
	database_hold(database);
}

static void
release(Oid database)
{
	if (!list_member_oid(held, database))
		return;
	held = list_delete_oid(held, database);
	database_release(database);
}

static bool
may_create_databases(void)
{
	HeapTuple	role;
	bool		may;

	if (superuser())
		return true;
	role = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (!HeapTupleIsValid(role))
		return false;
	may = ((Form_pg_authid) GETSTRUCT(role))->rolcreatedb;
	ReleaseSysCache(role);
	return may;
}

static bool
is_template(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	ReleaseSysCache(tuple);
	return result;
}

/* Whether the role has the right to give a command about this database. */
static bool
is_permitted(Node *command, Oid database)
{
	if (IsA(command, CreatedbStmt))
		return may_create_databases() && (is_template(database) || compat_owns_database(database));
	return compat_owns_database(database);
}

/* The template of a CREATE DATABASE: the one that it names, or the default. */
static const char *
template_of(const CreatedbStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return "template1";
}

/*
 * The name of the database that a command needs to be free of connections; NULL
 * if there is none.
 */
static const char *
database_needed(Node *command)
{
	switch (nodeTag(command))
	{
		case T_DropdbStmt:
			return castNode(DropdbStmt, command)->dbname;
		case T_CreatedbStmt:
			return template_of(castNode(CreatedbStmt, command));
		case T_RenameStmt:
			if (castNode(RenameStmt, command)->renameType == OBJECT_DATABASE)
				return castNode(RenameStmt, command)->subname;
			return NULL;
		case T_AlterDatabaseStmt:
			{
				ListCell   *cell;

				foreach(cell, castNode(AlterDatabaseStmt, command)->options)
					if (strcmp(lfirst_node(DefElem, cell)->defname, "tablespace") == 0)
						return castNode(AlterDatabaseStmt, command)->dbname;
				return NULL;
			}
		default:
			return NULL;
	}
}

static bool
drops_extension(Node *command)
{
	ListCell   *cell;

	if (!IsA(command, DropStmt) || castNode(DropStmt, command)->removeType != OBJECT_EXTENSION)
		return false;
	foreach(cell, castNode(DropStmt, command)->objects)
		if (strcmp(strVal(lfirst(cell)), "pg_chat") == 0)
			return true;
	return false;
}

/* Whether a command is a DROP OWNED that drops the extension. */
static bool
drops_owned_extension(Node *command)
{
	Oid			extension;
	ListCell   *cell;

	if (!IsA(command, DropOwnedStmt))
		return false;
	extension = get_extension_oid("pg_chat", true);
	foreach(cell, castNode(DropOwnedStmt, command)->roles)
		if (OidIsValid(extension) &&
			compat_owns_extension(extension, get_rolespec_oid(lfirst_node(RoleSpec, cell), true)))
			return true;
	return false;
}

static bool
owns_extension(void)
{
	Oid			extension = get_extension_oid("pg_chat", true);

	return OidIsValid(extension) && compat_owns_extension(extension, GetUserId());
}

/*
 * The database whose worker must exit for a command. InvalidOid if there is
 * none, or if the command will fail anyway, for lack of rights or because it is
 * in a transaction block: the worker is then not disturbed.
 */
static pg_noinline Oid
database_to_hold(Node *command, ProcessUtilityContext context)
{
	const char *name = database_needed(command);
	Oid			database;

	if (name == NULL)
		return (drops_extension(command) || drops_owned_extension(command)) && owns_extension() ?
			MyDatabaseId : InvalidOid;
	if (!IsA(command, RenameStmt) && IsInTransactionBlock(context == PROCESS_UTILITY_TOPLEVEL))
		return InvalidOid;
	database = get_database_oid(name, true);
	return OidIsValid(database) && is_permitted(command, database) ? database : InvalidOid;
}

static bool
creates_extension(Node *command)
{
	return IsA(command, CreateExtensionStmt) &&
		strcmp(castNode(CreateExtensionStmt, command)->extname, "pg_chat") == 0;
}

static bool
commits_prepared(Node *command)
{
	return IsA(command, TransactionStmt) &&
		castNode(TransactionStmt, command)->kind == TRANS_STMT_COMMIT_PREPARED;
}

static void
call_next(PlannedStmt *statement, const char *text, bool read_only_tree,
		  ProcessUtilityContext context, ParamListInfo params,
		  QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
	if (previous_utility_hook)
		previous_utility_hook(statement, text, read_only_tree, context, params,
							  environment, dest, completion);
	else
		standard_ProcessUtility(statement, text, read_only_tree, context, params,
								environment, dest, completion);
}

static void
hooks_utility(PlannedStmt *statement, const char *text, bool read_only_tree,
			  ProcessUtilityContext context, ParamListInfo params,
			  QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
	Oid			database = database_to_hold(statement->utilityStmt, context);
	bool		probe = creates_extension(statement->utilityStmt);
	bool		committed = commits_prepared(statement->utilityStmt);

	PG_TRY();
	{
		if (OidIsValid(database))
			hold_until_end(database);
		call_next(statement, text, read_only_tree, context, params, environment, dest, completion);
	}
	PG_CATCH();
	{
		if (OidIsValid(database))
			release(database);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (probe)
		probe_at_commit = true;
	if (committed)
		change_log_note_commit_prepared();
}

/*
 * Install the hooks. Called once, while libraries are preloaded.
 */
void
utility_hook_init(void)
{
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = hooks_utility;
	RegisterXactCallback(on_transaction_end, NULL);
}
