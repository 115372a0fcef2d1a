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
 * All of it is a hint. A place may hold something else by now, or nothing;
 * whoever goes there checks that the row has the key that was looked for. If it
 * has, and the snapshot sees it, it is the row: there is one with a key.
 */
#include "postgres.h"

#include "access/xact.h"

#include "rows/tid_cache.h"

/* Powers of 2. 128 and 16 kB for each process, once they are used. */
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
	uint16		check;
	ItemPointerData tid;
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

bool
tid_cache_find_root(ChatTable which, uint32 hash, ItemPointer tid)
{
	const Root *root = &roots[hash % ROOTS];

	*tid = root->tid;
	return root->check == check_of(which, hash);
}

/* The last version of a row that this transaction made. */
bool
tid_cache_find_version(ChatTable which, uint32 hash, ItemPointer tid)
{
	const Version *version = &versions[hash % VERSIONS];

	*tid = version->tid;
	return version->check == check_of(which, hash) && version->xid == GetTopTransactionIdIfAny();
}

void
tid_cache_put_root(ChatTable which, uint32 hash, ItemPointer tid)
{
	roots[hash % ROOTS] = (Root) {check_of(which, hash), *tid};
}

void
tid_cache_put_version(ChatTable which, uint32 hash, ItemPointer tid)
{
	versions[hash % VERSIONS] = (Version) {GetTopTransactionId(), check_of(which, hash), *tid};
}
