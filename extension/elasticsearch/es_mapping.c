/*
 * es_mapping.c
 *	  Whether an index in Elasticsearch is as it was created.
 *
 * Its mapping and its settings decide what a document becomes, and so what a
 * search finds. A template, or somebody, may have changed them.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "common/json_read.h"
#include "elasticsearch/es_document.h"
#include "elasticsearch/es_mapping.h"

static Jsonb *
parse(const char *text)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

static const JsonbContainer *
member(const JsonbContainer *container, const char *key)
{
	return json_container(json_member(container, key));
}

/* Whether an object has as many members as another. */
static bool
is_as_large(const JsonbContainer *actual, const JsonbContainer *expected)
{
	return actual != NULL && JsonContainerSize(actual) == JsonContainerSize(expected);
}

/* Whether a mapping has nothing in addition to what is expected. */
static bool
has_no_more(const JsonbContainer *actual, const JsonbContainer *expected)
{
	static const char *const fields[] = {"scope", "application", "chat", "number", "checksum", "grams"};
	const JsonbContainer *actual_fields = member(actual, "properties");
	const JsonbContainer *expected_fields = member(expected, "properties");

	if (!is_as_large(actual, expected) || !is_as_large(actual_fields, expected_fields))
		return false;
	for (int i = 0; i < lengthof(fields); i++)
		if (!is_as_large(member(actual_fields, fields[i]), member(expected_fields, fields[i])))
			return false;
	return true;
}

/* Whether an index setting is missing, or has the one allowed value. */
static bool
is_not_set(const JsonbContainer *value, const char *key, const char *allowed)
{
	char	   *text = json_string(json_member(value, key));

	return text == NULL || strcmp(text, allowed) == 0;
}

/* Whether the analysis settings of an index are the expected ones, and no others. */
static bool
analyzes_no_more(const JsonbContainer *actual, const JsonbContainer *expected)
{
	const JsonbContainer *actual_analysis = member(actual, "analysis");
	JsonbIterator *actual_iterator;
	JsonbIterator *expected_iterator;

	if (actual_analysis == NULL)
		return false;
	actual_iterator = JsonbIteratorInit((JsonbContainer *) actual_analysis);
	expected_iterator = JsonbIteratorInit((JsonbContainer *) member(expected, "analysis"));
	return JsonbDeepContains(&expected_iterator, &actual_iterator);
}

/*
 * Whether an index, as Elasticsearch describes it, has the mapping and settings
 * that it was created with, and no others that change what a document becomes.
 * OpenSearch can replicate segments instead of documents; then a refresh would
 * not make a change visible in all copies.
 */
bool
es_mapping_matches(const JsonbContainer *described)
{
	Jsonb	   *expected = parse(psprintf("{\"mappings\": %s, \"settings\": {\"index\": {%s}}}",
										  es_document_mappings, es_document_settings));
	const JsonbContainer *settings = member(member(described, "settings"), "index");
	JsonbIterator *actual_iterator = JsonbIteratorInit((JsonbContainer *) described);
	JsonbIterator *expected_iterator = JsonbIteratorInit(&expected->root);

	return JsonbDeepContains(&actual_iterator, &expected_iterator) &&
		has_no_more(member(described, "mappings"), member(&expected->root, "mappings")) &&
		analyzes_no_more(settings, member(member(&expected->root, "settings"), "index")) &&
		is_not_set(settings, "default_pipeline", "_none") &&
		is_not_set(settings, "final_pipeline", "_none") &&
		is_not_set(member(settings, "replication"), "type", "DOCUMENT");
}
