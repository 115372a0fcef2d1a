/*
 * message_key.c
 *	  Keys that messages are created once by.
 *
 * Who sends a message, and does not learn whether it came, sends it again with the
 * same key. A key belongs to the chat, and is kept in the message's row for as long as
 * that is there, also when it is deleted. It is looked for under the chat's lock, before a
 * number is given: so of twins that are sent at the same instant, on whatever ways, one
 * is created, and the other finds it. That is a replay, and leaves no hole.
 *
 * What is created with a key is not compared with the row, which may have been edited
 * since, but by a digest: of the number if one is named, the body, the sender and the
 * metadata.
 *
 * A condition, that a message is wanted only behind a certain one, is checked here, too,
 * after the key: a replay is no new message.
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/hashfn.h"
#include "common/sha2.h"
#include "port/pg_bswap.h"
#include "utils/hsearch.h"

#include "common/compat.h"
#include "core/message_key.h"
#include "core/replay.h"

/* Take a value into a digest, with its length: so that no two contents are the same bytes. NULL: it has none. */
static void
digest_value(pg_cryptohash_ctx *context, const void *value, Size size)
{
	uint32		length = pg_hton32(value == NULL ? PG_UINT32_MAX : (uint32) size);

	if (pg_cryptohash_update(context, (const uint8 *) &length, sizeof(length)) < 0 ||
		(value != NULL && pg_cryptohash_update(context, value, size) < 0))
		elog(ERROR, "could not compute a digest");
}

static void
digest_text(pg_cryptohash_ctx *context, const text *value)
{
	digest_value(context, value == NULL ? NULL : VARDATA_ANY(value), value == NULL ? 0 : VARSIZE_ANY_EXHDR(value));
}

static bytea *
digest_of(pg_cryptohash_ctx *context, const MessageInsert *message)
{
	bytea	   *digest = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	uint32		number = pg_hton32((uint32) message->number);
	StringInfoData metadata = {0};

	if (message->metadata != NULL)
	{
		initStringInfo(&metadata);
		JsonbToCString(&metadata, &message->metadata->root, VARSIZE(message->metadata));
	}
	if (pg_cryptohash_init(context) < 0)
		elog(ERROR, "could not compute a digest");
	digest_value(context, message->named ? &number : NULL, sizeof(number));
	digest_text(context, message->body);
	digest_text(context, message->sender);
	digest_value(context, metadata.data, metadata.len);
	SET_VARSIZE(digest, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	if (compat_cryptohash_final(context, (uint8 *) VARDATA(digest), PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute a digest");
	return digest;
}

/*
 * Set the digests of those messages that have keys, and no problem.
 */
void
message_keys_digest(MessageInsert *messages, int count)
{
	pg_cryptohash_ctx *context = NULL;

	for (int i = 0; i < count; i++)
	{
		if (messages[i].key == NULL || message_is_done(&messages[i]))
			continue;
		if (context == NULL)
			context = pg_cryptohash_create(PG_SHA256);
		messages[i].key_digest = digest_of(context, &messages[i]);
	}
	if (context != NULL)
		pg_cryptohash_free(context);
}

static bool
digests_equal(const bytea *a, const bytea *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) && memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

static ArgError
key_used(const MessageInsert *message)
{
	return arg_error_key_used("message", psprintf("Chat %d has a message with this key.", message->chat));
}

/*
 * A message whose key is in the table is done: it is the one that was found, or is
 * refused.
 */
void
message_key_meet(MessageInsert *message, const KeyedMessage *found)
{
	if (found->digest != NULL && !digests_equal(found->digest, message->key_digest))
	{
		message->problem = key_used(message);
		return;
	}
	replay_note();
	message->created = message->replayed = true;
	message->number = found->number;
	message->created_at = found->created_at;
	message->revision = found->revision;
}

/* Keys in a table of them are pointers to texts. */
static uint32
hash_key(const void *key, Size size)
{
	const text *value = *(text *const *) key;

	return hash_bytes((const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

static int
match_keys(const void *a, const void *b, Size size)
{
	const text *left = *(text *const *) a;
	const text *right = *(text *const *) b;

	return VARSIZE_ANY_EXHDR(left) != VARSIZE_ANY_EXHDR(right) ||
		memcmp(VARDATA_ANY(left), VARDATA_ANY(right), VARSIZE_ANY_EXHDR(left)) != 0;
}

typedef struct KeyEntry
{
	text	   *key;
	MessageInsert *message;
} KeyEntry;

/* The keys of the messages of a chat that were admitted so far. */
static HTAB *
keys_of(ChatGroup *group)
{
	HASHCTL		control = {
		.keysize = sizeof(text *),
		.entrysize = sizeof(KeyEntry),
		.hash = hash_key,
		.match = match_keys,
		.hcxt = CurrentMemoryContext
	};

	if (group->keys == NULL)
		group->keys = hash_create("pg_chat keys", group->count, &control,
								  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	return group->keys;
}

/*
 * Whether a message of a chat, whose key is not in the table, and whose turn it is when
 * the last number is this, is to be created. If not, it has a problem, or another of the
 * same call is the first with its key.
 */
bool
message_key_admits(ChatGroup *group, MessageInsert *message, int32 last_number)
{
	bool		may_have_first = message->key != NULL && group->count > 1;
	KeyEntry   *entry = may_have_first ? hash_search(keys_of(group), &message->key, HASH_FIND, NULL) : NULL;

	if (entry != NULL)
	{
		if (digests_equal(entry->message->key_digest, message->key_digest))
			message->first = entry->message;
		else
			message->problem = key_used(message);
		return false;
	}
	if (message->conditional && message->if_last != last_number)
	{
		message->problem = arg_error_not_last("message", "if_last", last_number);
		message->number = last_number;
		return false;
	}
	if (may_have_first)
	{
		entry = hash_search(keys_of(group), &message->key, HASH_ENTER, NULL);
		entry->message = message;
	}
	return true;
}

/* Have the messages of a chat admitted anew, those that are not done. */
void
message_keys_forget(MessageBatch *batch, ChatGroup *group)
{
	if (group->keys != NULL)
		hash_destroy(group->keys);
	group->keys = NULL;
	for (int i = group->first; i < group->first + group->count; i++)
		batch->order[i]->first = NULL;
}

/*
 * Have the messages that have the key of another of this call share what became of that,
 * if it is done.
 */
void
message_keys_share(MessageBatch *batch)
{
	for (int i = 0; i < batch->count; i++)
	{
		MessageInsert *message = batch->order[i];
		const MessageInsert *first = message->first;

		if (first == NULL || message_is_done(message) || !message_is_done(first))
			continue;
		message->created = message->replayed = first->created;
		message->number = first->number;
		message->created_at = first->created_at;
		message->revision = first->revision;
		message->problem = first->problem;
	}
}
