/*
 * trigram_index.c
 *	  The trigram index.
 *
 * It is an optional GIN index of pg_trgm's trigrams on chat.fold(body),
 * created by chat.add_trigram_index(). It makes searches of large chats and of
 * applications fast, and each write of a message more expensive. The planner
 * decides for each search whether to use it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "common/compat.h"
#include "common/spi_plan.h"
#include "search/trigram_index.h"

/* The state of the index. */
TrigramState
trigram_state(void)
{
	Oid			schema = get_namespace_oid("chat", false);
	Oid			index = get_relname_relid(TRIGRAM_INDEX, schema);
	HeapTuple	tuple = OidIsValid(index) ? SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index)) : NULL;
	TrigramState state;

	if (!HeapTupleIsValid(tuple))
		return TRIGRAM_MISSING;
	state = ((Form_pg_index) GETSTRUCT(tuple))->indisvalid ? TRIGRAM_VALID : TRIGRAM_INVALID;
	ReleaseSysCache(tuple);
	return state;
}

/*
 * The LIKE pattern for texts that contain a folded text, in the current memory
 * context.
 */
text *
trigram_pattern(const text *folded)
{
	const char *bytes = VARDATA_ANY(folded);
	StringInfoData pattern;

	initStringInfo(&pattern);
	appendStringInfoChar(&pattern, '%');
	for (int i = 0; i < VARSIZE_ANY_EXHDR(folded); i++)
	{
		if (bytes[i] == '%' || bytes[i] == '_' || bytes[i] == '\\')
			appendStringInfoChar(&pattern, '\\');
		appendStringInfoChar(&pattern, bytes[i]);
	}
	appendStringInfoChar(&pattern, '%');
	return cstring_to_text_with_len(pattern.data, pattern.len);
}

/* The name of pg_trgm's schema, or NULL if it is not installed. Connected to SPI. */
char *
trigram_schema(void)
{
	static SavedPlan plan = {
		.sql = "SELECT n.nspname::text AS schema FROM pg_extension AS e"
		" JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'"
	};

	if (spi_plan_read_fresh(&plan, NULL) == 0)
		return NULL;
	return spi_result_string(0, spi_column("schema"), NULL);
}
