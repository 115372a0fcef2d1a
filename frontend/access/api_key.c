/*
 * api_key.c
 *		API keys, as chat.create_key() makes them: pgc_<id>_<secret>.
 *
 * The database gets the id and the digest, never the key. Which keys were used
 * is reported to it once a minute, in one statement for all of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/api_key.h"
#include "common/loop.h"
#include "db/writes.h"
#include "http/uri.h"

#define NOTE_INTERVAL 60000		/* ms */
#define NOTED_KEYS 1024			/* at most, between two notes; further ones are noted later */

/* Columns of CHECK_KEYS. */
enum
{
	COLUMN_APPLICATION,
	COLUMN_TOKEN,
	COLUMN_SCOPE,
	COLUMN_DIGEST,
	COLUMN_ID
};

static int	used[NOTED_KEYS];
static int	used_count;
static uint64_t noted_at;

/* The note that the database is working on. */
static Query note;
static char note_ids[NOTED_KEYS * sizeof("2147483647,") + sizeof("{}")];
static bool note_in_flight;

static void
note_use(int id)
{
	for (int i = 0; i < used_count; i++)
		if (used[i] == id)
			return;
	if (used_count < NOTED_KEYS)
		used[used_count++] = id;
}

/* The FactType of keys: the Grant of a row. */
static void *
read_grant(const Rows *rows)
{
	const PGresult *result = rows->result;
	int			row = rows->first;
	Grant	   *grant = grant_new();

	if (grant == NULL)
		return NULL;
	grant->application = rows_number(rows, 0, COLUMN_APPLICATION);
	grant->key = rows_number(rows, 0, COLUMN_ID);
	grant->scope = scope_parse(PQgetvalue(result, row, COLUMN_SCOPE));
	grant->all_chats = true;

	/*
	 * The row is all or nothing: without its token, the key of one application would be one of
	 * all.
	 */
	if (grant_set(&grant->digest, PQgetvalue(result, row, COLUMN_DIGEST)) &&
		(PQgetisnull(result, row, COLUMN_TOKEN) ? grant->application == 0
		 : grant_set(&grant->token, PQgetvalue(result, row, COLUMN_TOKEN))))
	{
		note_use(grant->key);
		return grant;
	}
	grant_release(grant);
	return NULL;
}

static void
free_grant(void *value)
{
	grant_release(value);
}

static const FactType key_type = {CHECK_KEYS, read_grant, free_grant};

/* Returns the id in the text of a key, or 0 if the text is not a key. */
static int
parse_id(const char *key)
{
	size_t		prefix = strlen(API_KEY_PREFIX);
	const char *id = key + prefix;
	int			number = 0;

	if (strncmp(key, API_KEY_PREFIX, prefix) != 0)
		return 0;
	uri_number(id, strcspn(id, "_"), 1, &number);
	return id[strcspn(id, "_")] == '_' ? number : 0;
}

bool
api_key_ask(const char *key, FactWaiter *waiter)
{
	int			id = parse_id(key);
	Digest		digest;
	char		hex[DIGEST_HEX_SIZE];

	if (id == 0)
		return false;
	digest = digest_of(key, strlen(key));
	if (fact_tell(&key_type, &digest, waiter))
		return true;
	digest_to_hex(&digest, hex);
	fact_ask(&key_type, &digest, &(FactParameters) {.first = hex, .first_length = sizeof(hex), .number = id}, waiter);
	return true;
}

void
api_key_ask_again(const Grant *grant, FactWaiter *waiter)
{
	Digest		digest = digest_of_hex(grant->digest);

	fact_ask(&key_type, &digest, &(FactParameters) {
		.first = grant->digest, .first_length = strlen(grant->digest), .number = grant->key
	}, waiter);
}

static void
on_noted(Query *query, const Rows *rows)
{
	(void) query;
	(void) rows;
	note_in_flight = false;
}

/* On a standby, or while the database is away, nothing is noted. */
static void
on_not_noted(Query *query, const Failure *failure)
{
	(void) query;
	(void) failure;
	note_in_flight = false;
}

void
api_keys_tick(void)
{
	size_t		length = 0;

	if (used_count == 0 || note_in_flight || (noted_at && loop_now() - noted_at < NOTE_INTERVAL))
		return;
	for (int i = 0; i < used_count; i++)
		length += sprintf(note_ids + length, "%c%d", i == 0 ? '{' : ',', used[i]);
	strcpy(note_ids + length, "}");
	used_count = 0;
	noted_at = loop_now();
	note_in_flight = true;
	note = (Query) {
		.statement = NOTE_KEY_USE,
		.max_rows = 1,
		.since = loop_now(),
		.succeeded = on_noted,
		.failed = on_not_noted,
	};
	query_add_text(&note, note_ids, length + 1);
	writes_submit(&note);
}
