/*
 * es_compare.c
 *	  A search index compared with the table.
 *
 * Both sides are walked in key order, slice by slice. Each gives the count and
 * the sum of checksums of the buckets of a slice, of up to ten thousand
 * messages. Only in buckets that differ are messages compared with documents.
 *
 * The two sides are not read at the same instant, and the index lags behind
 * the table by pending messages (see es_compare_table.c), which are never
 * reported. Of the other differences, only those are reported that last:
 *
 *		table				index
 *		-----				-----
 *	1	read buckets
 *							refresh, read buckets
 *		...for those that differ:
 *	2	read rows
 *							read documents			first look: suspects
 *	3	read rows
 *							refresh, read documents	before: suspects of 3
 *	4	read rows									after: suspects of 4
 *		reported: in first look, before and after; with the same row in 3 and 4
 *
 * A message that is the same in 3 and 4, and pending in neither, was not
 * changed in between: whoever changes it makes it pending, in the same
 * transaction, until the change is in the index. So its document of 3 is the
 * one that it should have. The first look saves most of the work: most
 * differences found there are only under way.
 *
 * A document without a message is pending only if it is in the queue: a
 * deleted message stays there until its document is gone. After a TRUNCATE
 * nothing is queued, but the index is to be rebuilt; then such documents are
 * not considered.
 *
 * Elasticsearch is not trusted to terminate: a slice ends after some pages of
 * buckets, and more documents than there can be messages are an error.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "elasticsearch/es_compare.h"

/* Messages that are compared with documents at a time; sometimes a few more. */
#define COMPARED_MAX 20000

/* The most documents of those: a key may have several, though none should. */
#define DOCUMENTS_MAX 1000000

/* The most pages of buckets of a slice: enough for one of chats with a single message. */
#define PAGES_MAX (ES_COMPARE_SLICE / ES_SCAN_PAGE + 1)

/* A key for which table and index differ. */
typedef struct Suspect
{
	MessageKey	key;
	int64		row;			/* checksum */
	int64		document;		/* checksum */
} Suspect;

typedef struct Documents
{
	Document   *items;
	int			count;
} Documents;

typedef struct Suspects
{
	Suspect    *items;
	int			count;
} Suspects;

/* A slice that is being compared. */
typedef struct Slice
{
	EsCompare  *comparison;
	KeyRange	range;
	TableSlice	table;
	int			next;			/* index of the table's next bucket to compare */
	KeyRange	differing[KEY_RANGES_MAX];	/* buckets to compare in detail */
	int			differing_count;
	int64		differing_messages;
} Slice;

/*
 * Read the documents of some ranges. Raises 58000 if there are more than there
 * can be messages.
 */
static Documents
read_documents(const Slice *slice, const KeyRange *ranges, int count)
{
	Documents	documents = {NULL, 0};
	int			found;

	do
	{
		Size		size = ((Size) documents.count + ES_SCAN_PAGE) * sizeof(Document);

		CHECK_FOR_INTERRUPTS();
		documents.items = documents.items == NULL ? palloc(size) : repalloc(documents.items, size);
		found = es_scan_documents(&slice->comparison->access, ranges, count,
								  documents.count > 0 ? &documents.items[documents.count - 1] : NULL,
								  documents.items + documents.count);
		documents.count += found;
		if (documents.count > DOCUMENTS_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_SYSTEM_ERROR),
					 errmsg("the search index has more documents of a chat than there can be messages"),
					 errhint("Somebody else may have written to it: see that nobody can, then build it anew with SELECT chat.reindex().")));
	} while (found == ES_SCAN_PAGE);
	return documents;
}

/*
 * The checksum of the document at *i if it has this key, and is the only one
 * with it. *i is moved past all of them.
 */
static int64
take_document(const Documents *documents, int *i, MessageKey key)
{
	int64		checksum = CHECKSUM_NONE;

	while (*i < documents->count && message_key_compare(documents->items[*i].key, key) == 0)
	{
		checksum = checksum == CHECKSUM_NONE ? documents->items[*i].checksum : CHECKSUM_UNKNOWN;
		(*i)++;
	}
	return checksum;
}

/* The keys for which rows and documents differ, and that are not pending. */
static Suspects
find_suspects(const TableRows *rows, const Documents *documents)
{
	Suspects	suspects = {palloc(((Size) rows->count + documents->count + 1) * sizeof(Suspect)), 0};
	int			row = 0;
	int			document = 0;

	while (row < rows->count || document < documents->count)
	{
		int			order = row == rows->count ? 1 : document == documents->count ? -1 :
			message_key_compare(rows->items[row].key, documents->items[document].key);
		Suspect		suspect = {.row = CHECKSUM_NONE};
		bool		pending = rows->rebuild;

		suspect.key = order <= 0 ? rows->items[row].key : documents->items[document].key;
		if (order <= 0)
		{
			suspect.row = rows->items[row].checksum;
			pending = rows->items[row].pending;
			row++;
		}
		suspect.document = take_document(documents, &document, suspect.key);
		if (!pending && suspect.row != suspect.document)
			suspects.items[suspects.count++] = suspect;
	}
	return suspects;
}

/* Keep the suspects that are also among others, by key, and with same_row by row. */
static void
keep_common(Suspects *suspects, const Suspects *others, bool same_row)
{
	int			kept = 0;
	int			other = 0;

	for (int i = 0; i < suspects->count; i++)
	{
		Suspect		suspect = suspects->items[i];

		while (other < others->count &&
			   message_key_compare(others->items[other].key, suspect.key) < 0)
			other++;
		if (other < others->count &&
			message_key_compare(others->items[other].key, suspect.key) == 0 &&
			(!same_row || others->items[other].row == suspect.row))
			suspects->items[kept++] = suspect;
	}
	suspects->count = kept;
}

/*
 * Narrow the ranges to the suspects in them. Returns how many ranges are left.
 */
static int
narrow_ranges(const KeyRange *ranges, int count, const Suspects *suspects, KeyRange *narrowed)
{
	int			narrowed_count = 0;
	int			next = 0;

	for (int i = 0; i < count; i++)
	{
		int			first = next;

		while (next < suspects->count &&
			   message_key_compare(suspects->items[next].key, ranges[i].through) <= 0)
			next++;
		if (next == first)
			continue;
		narrowed[narrowed_count] = (KeyRange) {suspects->items[first].key, suspects->items[next - 1].key};
		narrowed[narrowed_count++].above.number--;
	}
	return narrowed_count;
}

/* Report the suspects. */
static void
report(const EsCompare *comparison, const Suspects *suspects)
{
	Difference *differences = palloc((suspects->count + 1) * sizeof(Difference));

	for (int i = 0; i < suspects->count; i++)
		differences[i] = (Difference) {
			suspects->items[i].key,
			suspects->items[i].row == CHECKSUM_NONE ? DIFFERENCE_SURPLUS :
				suspects->items[i].document == CHECKSUM_NONE ? DIFFERENCE_MISSING : DIFFERENCE_STALE
		};
	comparison->report(differences, suspects->count, comparison->context);
}

/* Compare the messages of the buckets that were put aside with their documents: steps 2 to 4. */
static void
compare_messages(Slice *slice)
{
	const EsCompare *comparison = slice->comparison;
	KeyRange	narrowed[KEY_RANGES_MAX];
	int			count = slice->differing_count;
	TableRows	rows = es_compare_table_rows(&comparison->table, slice->differing, count);
	Documents	documents = read_documents(slice, slice->differing, count);
	Suspects	first_look = find_suspects(&rows, &documents);
	Suspects	before;
	Suspects	after;

	count = narrow_ranges(slice->differing, count, &first_look, narrowed);
	if (count == 0)
		return;
	rows = es_compare_table_rows(&comparison->table, narrowed, count);
	es_scan_refresh(&comparison->access);
	documents = read_documents(slice, narrowed, count);
	before = find_suspects(&rows, &documents);
	rows = es_compare_table_rows(&comparison->table, narrowed, count);
	after = find_suspects(&rows, &documents);

	keep_common(&after, &before, true);
	keep_common(&after, &first_look, false);
	if (after.count > 0)
		report(comparison, &after);
}

/* Compare in detail the buckets that were put aside. */
static void
compare_differing(Slice *slice)
{
	MemoryContext memory;
	MemoryContext caller;

	if (slice->differing_count == 0)
		return;
	memory = AllocSetContextCreate(CurrentMemoryContext, "pg_chat compared messages", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(memory);
	compare_messages(slice);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
	slice->differing_count = 0;
	slice->differing_messages = 0;
}

/* Put aside the part of a bucket that is in the slice, to be compared in detail. */
static void
put_aside(Slice *slice, const Bucket *bucket, int64 messages)
{
	KeyRange	range = {
		{bucket->application, bucket->chat, Max(bucket->start - 1, PG_INT32_MIN)},
		es_scan_bucket_last(bucket)
	};

	if (message_key_compare(range.above, slice->range.above) < 0)
		range.above = slice->range.above;
	if (message_key_compare(range.through, slice->range.through) > 0)
		range.through = slice->range.through;
	slice->differing[slice->differing_count++] = range;
	slice->differing_messages += messages;
	if (slice->differing_count == KEY_RANGES_MAX || slice->differing_messages >= COMPARED_MAX)
		compare_differing(slice);
}

static int
compare_keys(const Bucket *a, const Bucket *b)
{
	int			order = chat_key_compare((ChatKey) {a->application, a->chat},
										 (ChatKey) {b->application, b->chat});

	return order != 0 ? order : a->start < b->start ? -1 : a->start > b->start;
}

/*
 * Compare buckets of the index with the next ones of the table: through the
 * last of these, or all, if is_end.
 */
static void
compare_buckets(Slice *slice, const Bucket *buckets, int count, bool is_end)
{
	int			i = 0;

	while (i < count || (is_end && slice->next < slice->table.count))
	{
		const Bucket *here = slice->next < slice->table.count ? &slice->table.buckets[slice->next] : NULL;
		const Bucket *there = i < count ? &buckets[i] : NULL;
		int			order = here == NULL ? 1 : there == NULL ? -1 : compare_keys(here, there);

		if (order < 0)
			put_aside(slice, here, here->count);
		else if (order > 0)
			put_aside(slice, there, there->count);
		else if (here->count != there->count || here->sum != there->sum)
			put_aside(slice, here, Max(here->count, there->count));
		slice->next += order <= 0;
		i += order >= 0;
	}
}

/*
 * Compare the slice's buckets of the index with those of the table. Returns
 * whether all were compared; if not, the slice ends with the last that was.
 */
static bool
compare_index(Slice *slice)
{
	const EsIndexAccess *access = &slice->comparison->access;
	Bucket	   *buckets = palloc(ES_SCAN_PAGE * sizeof(Bucket));
	Bucket		last = {0};

	es_scan_refresh(access);
	for (int page = 0; page < PAGES_MAX; page++)
	{
		int			count;

		CHECK_FOR_INTERRUPTS();
		count = es_scan_buckets(access, slice->range, page > 0 ? &last : NULL, buckets);
		compare_buckets(slice, buckets, count, count < ES_SCAN_PAGE);
		if (count < ES_SCAN_PAGE)
			return true;
		last = buckets[count - 1];
	}
	if (message_key_compare(es_scan_bucket_last(&last), slice->range.through) >= 0)
		return true;
	slice->range.through = es_scan_bucket_last(&last);
	return false;
}

/*
 * Compare the next slice. Returns whether there is more to compare; position
 * and compared are advanced. In the worker, outside of a transaction; otherwise
 * connected to SPI, each statement with a snapshot of its own. Raises 58000 if
 * Elasticsearch cannot be read, and 55000 if the index was replaced.
 */
bool
es_compare_slice(EsCompare *comparison)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "pg_chat slice", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	Slice	   *slice = palloc0(sizeof(Slice));
	bool		more;

	slice->comparison = comparison;
	slice->table = es_compare_table_slice(&comparison->table, comparison->position, comparison->last,
										  comparison->slice_size);
	more = slice->table.more;
	slice->range.above = comparison->position;
	slice->range.through = more ? slice->table.last :
		(MessageKey) {comparison->last.application, comparison->last.chat, PG_INT32_MAX};
	more |= !compare_index(slice);
	compare_differing(slice);
	comparison->position = slice->range.through;
	comparison->compared += slice->table.messages;

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
	return more;
}
