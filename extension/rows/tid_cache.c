/*
 * tid_cache.c
 *	  Where rows were found before.
 *
 * Chats and applications are looked up again and again. What the index said of
 * one is kept, by a hash of its key, so that the next look needs no index: the
 * row's root, at which its chain of versions in the page begins. What this
 * transaction itself made of a row is kept, too: the chain of a row that one
 * transaction updates a thousand times is not walked a thousand times.
 *
 * Messages are not kept: they are many, and few are changed again.
 *
 * All of it is a hint. A place may hold something else by now, or nothing;
 * whoever goes there checks that the row has the key that was looked for. If it
 * has, and the snapshot sees it, it is the row: there is one with a key.
 */
#include "postgres.h"

#include "access/xact.h"

#include "rows/tid_cache.h"

/* Powers of 2. 128 and 24 kB for each process, once they are used. */
#define ROOTS 16384
#define VERSIONS 1024

typedef struct Root
{
	uint16		check;			/* of table and hash; 0: none */
	ItemPointerData tid;
} Root;

typedef struct Version
{
	TransactionId xid;			/* the transaction whose version it is */
	SubTransactionId subtransaction;	/* that made it */
	uint16		check;
	ItemPointerData tid;
	ItemPointerData before;		/* what that subtransaction found */
} Version;

static Root roots[ROOTS];
static Version versions[VERSIONS];

/* What tells rows at one place apart, nearly always. The low bits are the same there. */
static uint16
check_of(ChatTable which, uint32 hash)
{
	return ((hash >> 16) & 0xfff8) | (which + 1);
}

/* Forget where a table's rows are: it may have become another. */
void
tid_cache_forget(ChatTable which)
{
	for (int i = 0; i < ROOTS; i++)
		if ((roots[i].check & 7) == which + 1)
			roots[i].check = 0;
	for (int i = 0; i < VERSIONS; i++)
		if ((versions[i].check & 7) == which + 1)
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

/* The last version of a row that this transaction made. */
bool
tid_cache_find_version(ChatTable which, uint32 hash, ItemPointer tid)
{
	const Version *version = &versions[hash % VERSIONS];

	*tid = version->tid;
	return is_of(version, which, hash);
}

/* The same, where that was not there: the subtransaction that made it may have been rolled back. */
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
