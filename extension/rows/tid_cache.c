/*
 * tid_cache.c
 *	  A cache of the TIDs of rows.
 *
 * Chats and applications are looked up again and again. The cache has the root
 * of a row by a hash of its key, so that the next lookup needs no index: the
 * TID at which its chain of versions in the page begins. It also has the
 * version of a row that this transaction created: so if one transaction
 * updates a row a thousand times, the chain of its versions is not followed a
 * thousand times.
 *
 * Messages are not cached: they are many, and few are updated again.
 *
 * All of it is a hint. Another row, or none, may be at the TID by now, so
 * callers check that it has the key that they look for. If it does, and is
 * visible to the snapshot, it is the right one, because keys are unique.
 */
#include "postgres.h"

#include "access/xact.h"

#include "rows/tid_cache.h"

/* Powers of 2. Each process allocates 128 and 24 kB on first use. */
#define ROOTS 16384
#define VERSIONS 1024

/* The bits of a check that have the table; the others are of the hash. */
#define TABLE_BITS 0x1f

StaticAssertDecl(CHAT_TABLES <= TABLE_BITS, "tables have as many bits");

typedef struct Root
{
	uint16		check;			/* of table and hash; 0: none */
	ItemPointerData tid;
} Root;

typedef struct Version
{
	TransactionId xid;			/* the transaction that created the version */
	SubTransactionId subtransaction;	/* that created it */
	uint16		check;
	ItemPointerData tid;
	ItemPointerData before;		/* the previous one, of an outer subtransaction */
} Version;

static Root roots[ROOTS];
static Version versions[VERSIONS];

/*
 * Returns bits of a hash that differ, nearly always, between the keys at one
 * place: there, the low bits are the same.
 */
static uint16
check_of(ChatTable which, uint32 hash)
{
	return ((hash >> 16) & ~TABLE_BITS) | (which + 1);
}

/* Forget the TIDs of a table: it may have been rewritten. */
void
tid_cache_forget(ChatTable which)
{
	for (int i = 0; i < ROOTS; i++)
		if ((roots[i].check & TABLE_BITS) == which + 1)
			roots[i].check = 0;
	for (int i = 0; i < VERSIONS; i++)
		if ((versions[i].check & TABLE_BITS) == which + 1)
			versions[i].check = 0;
}

/*
 * Find the root of the row whose key has this hash, most likely: see above. Returns
 * false if none is known.
 */
bool
tid_cache_find_root(ChatTable which, uint32 hash, ItemPointer tid)
{
	const Root *root = &roots[hash % ROOTS];

	*tid = root->tid;
	return root->check == check_of(which, hash);
}

static bool
is_of(const Version *version, ChatTable which, uint32 hash)
{
	return version->check == check_of(which, hash) && version->xid == GetTopTransactionIdIfAny();
}

/* Find the last version of a row that this transaction created. Returns false if none is cached. */
bool
tid_cache_find_version(ChatTable which, uint32 hash, ItemPointer tid)
{
	const Version *version = &versions[hash % VERSIONS];

	*tid = version->tid;
	return is_of(version, which, hash);
}

/*
 * Find the version before that, if that was not there: the subtransaction that
 * created it may have been rolled back.
 */
bool
tid_cache_find_version_before(ChatTable which, uint32 hash, ItemPointer tid)
{
	Version    *version = &versions[hash % VERSIONS];

	if (!is_of(version, which, hash) || ItemPointerEquals(&version->tid, &version->before))
		return false;
	*tid = version->tid = version->before;
	return true;
}

/* Remember the root of a row, by the hash of its key. */
void
tid_cache_put_root(ChatTable which, uint32 hash, ItemPointer tid)
{
	if (which == TABLE_MESSAGES)
		return;
	roots[hash % ROOTS] = (Root) {check_of(which, hash), *tid};
}

/* Remember the version of a row that this transaction made, by the hash of its key. */
void
tid_cache_put_version(ChatTable which, uint32 hash, ItemPointer tid)
{
	Version    *version = &versions[hash % VERSIONS];
	Version		made = {
		GetTopTransactionId(), GetCurrentSubTransactionId(), check_of(which, hash), *tid, *tid
	};

	if (which == TABLE_MESSAGES)
		return;
	if (is_of(version, which, hash))
		made.before = version->subtransaction == made.subtransaction ? version->before : version->tid;
	*version = made;
}
