/*
 * compat.h
 *	  Differences between the supported versions of PostgreSQL, 14 to 18.
 *
 * Nothing else in the extension looks at PG_VERSION_NUM.
 */
#ifndef PG_CHAT_COMPAT_H
#define PG_CHAT_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 140000
#error "pg_chat needs PostgreSQL 14 or later"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"				/* VARDATA_ANY and the like, formerly in postgres.h */
#endif

#if PG_VERSION_NUM < 150000
#include "utils/guc.h"

/* PostgreSQL 14 cannot reserve a prefix, but it can warn of unknown settings. */
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/*
 * Register a function that requests shared memory: from PostgreSQL 15 on by a
 * hook, before while the library is loaded.
 */
#if PG_VERSION_NUM >= 150000
#include "miscadmin.h"

extern void compat_request_shared_memory(void (*request) (void));
#else
#define compat_request_shared_memory(request) request()
#endif

#if PG_VERSION_NUM >= 160000
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "utils/acl.h"

#define compat_owns_database(database) object_ownercheck(DatabaseRelationId, database, GetUserId())
#define compat_owns_extension(extension, role) object_ownercheck(ExtensionRelationId, extension, role)
#define compat_schema_aclcheck(schema, role, mode) object_aclcheck(NamespaceRelationId, schema, role, mode)
#define compat_function_aclcheck(function, role, mode) object_aclcheck(ProcedureRelationId, function, role, mode)
#else
#include "utils/acl.h"

#define compat_owns_database(database) pg_database_ownercheck(database, GetUserId())
#define compat_owns_extension(extension, role) pg_extension_ownercheck(extension, role)
#define compat_schema_aclcheck(schema, role, mode) pg_namespace_aclcheck(schema, role, mode)
#define compat_function_aclcheck(function, role, mode) pg_proc_aclcheck(function, role, mode)
#endif

#if PG_VERSION_NUM >= 170000
#include "utils/wait_event.h"

/* The wait event that pg_stat_activity shows by this name, from PostgreSQL 17 on. */
#define compat_wait_event(name) WaitEventExtensionNew(name)
#else
#define compat_wait_event(name) PG_WAIT_EXTENSION
#endif

#include "replication/message.h"

/* Write an empty logical message of this transaction into WAL. */
#if PG_VERSION_NUM >= 170000
#define compat_log_message(prefix) LogLogicalMessage(prefix, "", 0, true, false)
#else
#define compat_log_message(prefix) LogLogicalMessage(prefix, "", 0, true)
#endif

#include "catalog/pg_database.h"

/* The connection limit of a database whose DROP was interrupted, from minor releases of 2023 on. */
#ifndef DATCONNLIMIT_INVALID_DB
#define DATCONNLIMIT_INVALID_DB (-2)
#endif

#include "storage/lock.h"

/* Whether this process holds a lock in exactly this mode. */
#if PG_VERSION_NUM >= 170000
#define compat_lock_held_by_me(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define compat_lock_held_by_me(tag, mode) LockHeldByMe(tag, mode)
#endif

#include "access/xlog.h"
#if PG_VERSION_NUM >= 150000
#include "access/xlogrecovery.h"	/* GetXLogReplayRecPtr, before in xlog.h */
#endif

/* The timeline that WAL is written on. Not during recovery. */
#if PG_VERSION_NUM >= 150000
#define compat_timeline() GetWALInsertionTimeLine()
#else
#define compat_timeline() ((void) RecoveryInProgress(), ThisTimeLineID)
#endif

/* Up to where WAL is written and flushed. Not in recovery. */
#if PG_VERSION_NUM >= 150000
#define compat_flush_position() GetFlushRecPtr(NULL)
#else
#define compat_flush_position() GetFlushRecPtr()
#endif

#include "access/genam.h"
#include "access/tableam.h"

/* End a digest, of size bytes. */
#if PG_VERSION_NUM >= 150000
#define compat_cryptohash_final(context, digest, size) pg_cryptohash_final(context, digest, size)
#else
#define compat_cryptohash_final(context, digest, size) pg_cryptohash_final(context, digest)
#endif

/* Begin a scan of an index; index_rescan() must follow. */
#if PG_VERSION_NUM >= 180000
#define compat_index_beginscan(table, index, snapshot, keys) index_beginscan(table, index, snapshot, NULL, keys, 0)
#else
#define compat_index_beginscan(table, index, snapshot, keys) index_beginscan(table, index, snapshot, keys, 0)
#endif

/* The type by which an update of a row reports whether indexes need new entries. */
#if PG_VERSION_NUM >= 160000
#define compat_update_indexes TU_UpdateIndexes
#define compat_any_index(update_indexes) ((update_indexes) != TU_None)
#else
#define compat_update_indexes bool
#define compat_any_index(update_indexes) (update_indexes)
#endif

/* Whether a column, counted from 0, is NOT NULL. */
#if PG_VERSION_NUM >= 180000
#define compat_is_not_null(descriptor, column) \
	(TupleDescCompactAttr(descriptor, column)->attnullability == ATTNULLABLE_VALID)
#else
#define compat_is_not_null(descriptor, column) (TupleDescAttr(descriptor, column)->attnotnull)
#endif

#endif							/* PG_CHAT_COMPAT_H */
