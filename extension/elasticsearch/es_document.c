/*
 * es_document.c
 *	  A message as a document in Elasticsearch.
 *
 * Elasticsearch only has to name candidates, which PostgreSQL then verifies.
 * So a document does not have the body, but the distinct trigrams of the
 * folded body: a text contains a query only if it has all trigrams of the
 * query. Its other fields are:
 *
 *	scope		terms to search within: an application, or a chat of it
 *	application, chat, number	the key, by which results are sorted
 *	checksum	of the key and the folded body, so that an index can be compared
 *				with the table by sums
 *
 * Its _id is the key, and documents of one application are routed together.
 *
 * Its version is external: Elasticsearch refuses an operation with a lower
 * version than the document has, or had when it was deleted. So operations may
 * be repeated, and may overtake each other.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"

#include "common/case_fold.h"
#include "common/compat.h"
#include "common/json_write.h"
#include "common/sql_signature.h"
#include "elasticsearch/es_document.h"

PG_FUNCTION_INFO_V1(chat_search_checksum);

/*
 * The settings and the mapping of an index. Only the worker refreshes the index
 * (refresh_interval), since it has to know when changes become visible.
 * Versions of deleted documents are remembered for longer than any request may
 * be under way (gc_deletes).
 */
const char	es_document_settings[] =
"\"refresh_interval\": \"-1\", \"gc_deletes\": \"1h\", \"auto_expand_replicas\": \"0-1\","
" \"translog\": {\"durability\": \"request\"},"
" \"analysis\": {\"tokenizer\": {\"trigrams\": {\"type\": \"ngram\", \"min_gram\": \"3\", \"max_gram\": \"3\"}},"
" \"analyzer\": {\"trigrams\": {\"type\": \"custom\", \"tokenizer\": \"trigrams\"}}}";

const char	es_document_mappings[] =
"{\"dynamic\": \"strict\", \"_source\": {\"enabled\": false}, \"_routing\": {\"required\": true}, \"properties\": {"
"\"scope\": {\"type\": \"keyword\", \"doc_values\": false},"
" \"application\": {\"type\": \"integer\"}, \"chat\": {\"type\": \"integer\"}, \"number\": {\"type\": \"integer\"},"
" \"checksum\": {\"type\": \"long\", \"index\": false},"
" \"grams\": {\"type\": \"text\", \"analyzer\": \"trigrams\", \"index_options\": \"docs\", \"norms\": false}}}";

/* Write the _id of a message's document. Returns its length. */
int
es_document_id(MessageKey key, char id[ES_DOCUMENT_ID_SIZE])
{
	int			length = pg_ltoa(key.application, id);

	id[length++] = '.';
	length += pg_ltoa(key.chat, id + length);
	id[length++] = '.';
	return length + pg_ltoa(key.number, id + length);
}

/*
 * The folded body in UTF-8, as Elasticsearch gets it, palloc'd. Returns NULL if
 * it cannot be converted or, in a database without an encoding, is not UTF-8.
 */
char *
es_document_fold(const text *body, int *length)
{
	text	   *folded = text_fold(body);
	char	   *bytes = VARDATA_ANY(folded);
	char	   *converted;
	Size		size;

	*length = VARSIZE_ANY_EXHDR(folded);
	if (GetDatabaseEncoding() == PG_UTF8)
		return bytes;
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return pg_verify_mbstr(PG_UTF8, bytes, *length, true) ? bytes : NULL;

	size = (Size) *length * MAX_CONVERSION_GROWTH + 1;
	converted = palloc_extended(size, MCXT_ALLOC_HUGE);
	if (pg_do_encoding_conversion_buf(FindDefaultConversionProc(GetDatabaseEncoding(), PG_UTF8),
									  GetDatabaseEncoding(), PG_UTF8, (unsigned char *) bytes, *length,
									  (unsigned char *) converted, size, true) != *length)
		return NULL;
	*length = strlen(converted);
	return converted;
}

/* The checksum of a message's key and folded body. */
uint32
es_document_checksum(MessageKey key, const char *folded, int length)
{
	uint32		of_key = hash_bytes((const unsigned char *) &key, sizeof(key));

	return hash_combine(of_key, hash_bytes((const unsigned char *) folded, length));
}

/*
 * chat_internal.search_checksum(application integer, chat integer, number
 * integer, body text) returns bigint
 *
 * The checksum of a message's document. Null for a body that cannot be indexed.
 */
Datum
chat_search_checksum(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(INT4OID, INT4OID, INT4OID, TEXTOID), SQL_RETURNS(INT8OID), .any_version = true};
	MessageKey	key;
	int			length;
	char	   *folded;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	for (int i = 0; i < 4; i++)
		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
	key = (MessageKey) {PG_GETARG_INT32(0), PG_GETARG_INT32(1), PG_GETARG_INT32(2)};
	folded = es_document_fold(PG_GETARG_TEXT_PP(3), &length);
	if (folded == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INT64(es_document_checksum(key, folded, length));
}

/* Append the line that names an operation for _bulk. */
static void
append_operation(StringInfo target, const char *name, MessageKey key, int64 version)
{
	char		id[ES_DOCUMENT_ID_SIZE];
	int			id_length = es_document_id(key, id);

	json_append_literal(target, "{\"");
	json_append_bytes(target, name, strlen(name));
	json_append_literal(target, "\":{\"_id\":\"");
	json_append_bytes(target, id, id_length);
	json_append_literal(target, "\",\"routing\":\"");
	json_append_int32(target, key.application);
	json_append_literal(target, "\",\"version\":");
	json_append_int64(target, version);
	json_append_literal(target, ",\"version_type\":\"external\"}}\n");
}

/*
 * Append the two lines by which _bulk indexes a message. Returns false, and
 * appends nothing, if its body cannot be indexed.
 */
bool
es_document_append(StringInfo target, MessageKey key, const text *body, int64 version)
{
	int			length;
	char	   *folded = es_document_fold(body, &length);

	if (folded == NULL)
		return false;
	append_operation(target, "index", key, version);
	json_append_literal(target, "{\"scope\":[\"");
	json_append_int32(target, key.application);
	json_append_literal(target, "\",\"");
	json_append_int32(target, key.application);
	json_append_literal(target, ".");
	json_append_int32(target, key.chat);
	json_append_literal(target, "\"],\"application\":");
	json_append_int32(target, key.application);
	json_append_literal(target, ",\"chat\":");
	json_append_int32(target, key.chat);
	json_append_literal(target, ",\"number\":");
	json_append_int32(target, key.number);
	json_append_literal(target, ",\"checksum\":");
	json_append_int64(target, es_document_checksum(key, folded, length));
	json_append_literal(target, ",\"grams\":");
	json_append_string(target, folded, length);
	json_append_literal(target, "}\n");
	return true;
}

/* Append the line by which _bulk deletes a message's document. */
void
es_document_append_deletion(StringInfo target, MessageKey key, int64 version)
{
	append_operation(target, "delete", key, version);
}
