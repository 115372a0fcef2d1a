/*
 * server_elasticsearch.c
 *	  What the extension does with the answers of an Elasticsearch, in a server.
 *
 * The answers are parsed by PostgreSQL's own jsonb, whose numbers, errors and memory need a server. So this
 * is a library with one SQL function that runs libFuzzer within a session: see run_in_server.sh.
 * In it are the files of the extension that ask Elasticsearch; only what asks over the network, and what
 * writes to tables, is replaced by what is here.
 *
 * Input: a byte for what is asked, one for how and in which encoding, then the answers, divided by a record
 * separator (0x1e). The first byte of an answer is for its status; the rest is its body, which ends where the
 * memory that may be read ends.
 *
 * Whatever the answers are: no error but those that the callers know how to take, and no problem, no matter
 * who it is from, that is not a short text of printable ASCII. What is read is what was asked for, in its
 * order. No request stays open, and no memory taken.
 */
#include "elasticsearch/es_bulk.c"

#include <signal.h>
#include <sys/mman.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "libpq/pqsignal.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "bgworker/worker.h"
#include "bgworker/worker_xact.h"
#include "common/latch_wait.h"
#include "common/sql_signature.h"
#include "elasticsearch/es_batch_ack.h"
#include "elasticsearch/es_index_requests.h"
#include "elasticsearch/es_query.h"
#include "elasticsearch/es_refresh.h"
#include "elasticsearch/es_scan.h"
#include "elasticsearch/es_seq_no.h"
#include "elasticsearch/es_version.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(fuzz);

#define SEPARATOR 0x1e
#define INDEX "chat-1"
#define TIMEOUT_MS 1000

/* The most requests that are open at a time, and the room for the answer of each. */
#define REQUESTS_MAX 4
#define ROOM (64 * 1024)

/* Where bodies of requests are left over, inputs come to more than this. */
#define REQUEST_MEMORY_MAX (256 * 1024)

/* A problem quotes at most 300 bytes of the server; two of its texts may be in it. */
#define PROBLEM_MAX 1000

/* The statuses that an answer may have. With 0 there is none: its body is what libcurl would say. */
static const int statuses[] = {200, 0, 201, 400, 403, 404, 409, 413, 429, 500, 503, 199, 204, 301};

static const int encodings[] = {PG_UTF8, PG_LATIN1, PG_SQL_ASCII, PG_EUC_JP};

/* What is left of the input, and the requests that were begun. */
static const uint8_t *input;
static const uint8_t *input_end;
static HttpRequest requests[REQUESTS_MAX];
static bool open_requests[REQUESTS_MAX];

static void
require(bool condition)
{
	if (!condition)
		abort();
}

/* A text for people. */
static void
require_tidy(const char *text)
{
	require(text != NULL && strlen(text) <= PROBLEM_MAX);
	for (; *text; text++)
		require(*text >= ' ' && *text <= '~');
}

/* The client for HTTP. */

MemoryContext
http_context(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "requests", ALLOCSET_SMALL_SIZES);
	return context;
}

void
http_free_body(StringInfo body)
{
	if (body == NULL)
		return;
	pfree(body->data);
	pfree(body);
}

/* Room for an answer; what is behind it cannot be read. */
static char *
room_of(int place)
{
	static char *rooms[REQUESTS_MAX];

	if (rooms[place] == NULL)
	{
		rooms[place] = mmap(NULL, 2 * ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		require(rooms[place] != MAP_FAILED && mprotect(rooms[place] + ROOM, ROOM, PROT_NONE) == 0);
	}
	return rooms[place];
}

/* A request, with the next answer of the input, which is there once it was waited for. */
static HttpRequest *
next_request(void)
{
	const uint8_t *end;
	int			place = 0;
	int			length;
	char	   *answer;

	while (open_requests[place])
		require(++place < REQUESTS_MAX);
	open_requests[place] = true;
	end = memchr(input, SEPARATOR, input_end - input);
	if (end == NULL)
		end = input_end;
	length = Max(end - input - 1, 0);
	require(length < ROOM);
	answer = room_of(place) + ROOM - length - 1;
	if (length > 0)
		memcpy(answer, input + 1, length);
	answer[length] = '\0';
	requests[place] = (HttpRequest) {
		.status = input == end ? 0 : statuses[*input % lengthof(statuses)],
		.answer = {.data = answer, .len = length, .maxlen = length + 1}
	};
	if (requests[place].status == 0)
		requests[place].error = answer;
	input = end < input_end ? end + 1 : end;
	return &requests[place];
}

HttpRequest *
http_begin(const HttpTarget *target, const char *method, const char *path, StringInfo body,
		   const char *content_type, long timeout_ms, Size answer_max)
{
	http_free_body(body);
	return next_request();
}

HttpRequest *
http_refuse(StringInfo body, const char *error)
{
	abort();
}

void
http_wait(long timeout_ms)
{
	for (int i = 0; i < REQUESTS_MAX; i++)
		requests[i].done = open_requests[i];
}

void
http_end(HttpRequest *request)
{
	require(open_requests[request - requests]);
	open_requests[request - requests] = false;
}

/* The worker, and the tables. */

bool
worker_do_other_job(void)
{
	return false;
}

bool
latch_wait(const char *what, uint32 events, pgsocket socket, long timeout_ms)
{
	return false;
}

void
worker_xact_begin(const char *activity)
{
}

void
worker_xact_commit(void)
{
}

List *
es_batches_to_acknowledge(List *batches)
{
	return batches;
}

uint64
es_batches_acknowledge(EsBatchReader *reader, List *batches)
{
	return 0;
}

void
es_index_note_progress(int32 id, int64 version, const int64 *operations)
{
	require(operations == NULL || *operations >= 0);
}

void
sql_signature_check(FunctionCallInfo fcinfo, SqlSignature *signature, Oid application_type)
{
}

/* What is asked. Each gets the byte that says how. */

static EsBatch *
create_batch(int count)
{
	EsBatch    *batch = es_batch_create(3);
	text	   *body = cstring_to_text("hello");

	(void) es_batch_add_message(batch, (MessageKey) {1, 1, 1}, body, 1);
	if (count > 1)
	{
		/* As if it could not be indexed. */
		es_batch_add_message(batch, (MessageKey) {1, 1, 2}, body, 1)->sent = false;
		(void) es_batch_add_deletion(batch, (MessageKey) {PG_INT32_MAX, PG_INT32_MIN, 3}, 1);
	}
	return batch;
}

/* What a batch without an unread answer may be, after its result. */
static void
require_fates(const EsBatch *batch, EsBulkResult result, const char *problem)
{
	bool		failed = false;
	bool		again = false;

	for (int i = 0; i < batch->count; i++)
	{
		const EsBatchItem *item = &batch->items[i];

		if (!item->sent)
			continue;
		failed |= item->fate == FATE_FAILED;
		again |= item->fate == FATE_AGAIN;
		if (item->fate != FATE_DONE)
			require_tidy(item->reason);
	}
	require(result == BULK_SMALLER || (result == BULK_REFUSED) == failed);
	require(result != BULK_DONE || !again);
	require(result != BULK_SLOWER || again);
	if (result == BULK_SLOWER)
		require_tidy(problem);
}

static void
ask_bulk(int how)
{
	EsBatch    *batch = create_batch(how & 1 ? 1 : 3);
	const char *problem = NULL;
	HttpRequest answer;
	bool		all_done;
	EsBulkResult result;

	es_bulk_begin(INDEX, batch);
	http_wait(0);
	answer = *batch->request;
	all_done = says_all_done(INDEX, batch, &answer);
	result = es_bulk_end(INDEX, batch, &problem);
	require(batch->request == NULL);
	if (result == BULK_FAILED)
		require_tidy(problem);
	else
		require_fates(batch, result, problem);

	/* What is compared is what would be parsed. */
	if (all_done)
	{
		Jsonb	   *parsed = es_json(&answer, &problem);

		require(result == BULK_DONE && parsed != NULL);
		require(judge_all(INDEX, batch, json_container(json_member(&parsed->root, "items")), &problem) == BULK_DONE);
	}
	es_batch_free(batch);
}

static void
ask_query(int how)
{
	SearchRange range = {
		.application = 1, .within_chat = how & 1, .from_end = how & 2,
		.above = {1, how & 4 ? 10 : 0}, .through = {how & 1 ? 1 : 3, how & 8 ? 1000 : PG_INT32_MAX}
	};
	EsCandidates candidates;
	const char *problem = es_query_candidates(&range, cstring_to_text("hello world"), INDEX, 3, TIMEOUT_MS, &candidates);

	if (problem != NULL)
	{
		require_tidy(problem);
		return;
	}
	require(candidates.count >= 0 && candidates.count <= 3);
	for (int i = 0; i < candidates.count; i++)
	{
		Position	position = candidates.positions[i];

		require(position_compare(position, range.above) > 0 && position_compare(position, range.through) <= 0);
		require(i == 0 || search_range_compare(&range, candidates.positions[i - 1], position) < 0);
	}
}

static const EsIndexAccess access_to_index = {.name = INDEX, .timeout_ms = TIMEOUT_MS};
static const KeyRange scan_ranges[2] = {{{1, 1, 0}, {1, 2, 20000}}, {{2, PG_INT32_MIN, 5}, {2, 7, PG_INT32_MAX}}};

static void
ask_buckets(int how)
{
	static const Bucket after = {.application = 1, .chat = 1, .start = 0, .count = 1};
	Bucket	   *buckets = palloc(ES_SCAN_PAGE * sizeof(Bucket));
	int			count = es_scan_buckets(&access_to_index, scan_ranges[how >> 1 & 1], how == 1 ? &after : NULL, buckets);

	for (int i = 0; i < count; i++)
		require(buckets[i].count > 0 &&
				(i == 0 || message_key_compare(es_scan_bucket_last(&buckets[i - 1]), es_scan_bucket_last(&buckets[i])) < 0));
}

static void
ask_documents(int how)
{
	static const Document after = {.key = {1, 1, 7}, .checksum = 5};
	Document   *documents = palloc(ES_SCAN_PAGE * sizeof(Document));
	int			count = es_scan_documents(&access_to_index, scan_ranges, 2, how & 1 ? &after : NULL, documents);

	for (int i = 0; i < count; i++)
		require(message_key_compare(documents[i].key, scan_ranges[1].through) <= 0 &&
				(i == 0 || message_key_compare(documents[i - 1].key, documents[i].key) <= 0));
}

static void
ask_for_scan_refresh(int how)
{
	es_scan_refresh(&access_to_index);
}

static void
ask_operations(int how)
{
	require(es_seq_no_count(INDEX) >= 0);
}

/* A refresh, with the question that goes with it, and once more the question. */
static void
ask_refresh(int how)
{
	EsRefresh	refresh = {0};
	EsBatchReader reader = {.index = 1};
	EsBatch		batch = {.acknowledged = true};
	List	   *batches = list_make1(&batch);
	const char *problem = NULL;
	uint64		done = 0;

	PG_TRY();
	{
		es_refresh_begin(&refresh, INDEX, batches, true);
		http_wait(0);
		require(list_length(es_refresh_end(&refresh, INDEX, &reader, batches, &done, &problem)) == 1 && batch.refreshed);
		require(refresh.counted == (problem == NULL));
		refresh.counting.next = 0;
		es_refresh_count_operations(&refresh, INDEX, 1, &problem);
		http_wait(0);
		es_refresh_count_operations(&refresh, INDEX, 1, &problem);
		require(refresh.counted || problem != NULL);
		if (problem != NULL)
			require_tidy(problem);
	}
	PG_FINALLY();
	{
		es_refresh_abort(&refresh);
	}
	PG_END_TRY();
}

/* An index as a whole. */
static void
ask_index(int how)
{
	EsIndex		index = {.id = 1, .name = INDEX, .alias = "chat", .state = how & 4 ? INDEX_CURRENT : INDEX_BUILDING};
	const char *problem = NULL;
	char	   *uuid;

	switch (how % 4)
	{
		case 0:
			problem = es_index_create(&index);
			break;
		case 1:
			problem = es_index_drop(&index);
			break;
		case 2:
			require(es_index_examine(&index, &uuid, &problem) == (problem == NULL));
			break;
		case 3:
			es_index_point_alias(&index, index.alias);
			break;
	}
	if (problem != NULL)
		require_tidy(problem);
}

static void (*const questions[]) (int how) =
{
	ask_bulk, ask_query, ask_buckets, ask_documents, ask_for_scan_refresh, ask_operations, ask_refresh, ask_index
};

/* An error that was raised: one of those that say that Elasticsearch gave no answer, or a wrong one. */
static void
take_error(void)
{
	ErrorData  *error = CopyErrorData();

	FlushErrorState();
	require(error->sqlerrcode == ERRCODE_CONNECTION_FAILURE || error->sqlerrcode == ERRCODE_SYSTEM_ERROR);
	require_tidy(error->message);
}

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern int	LLVMFuzzerRunDriver(int *argc, char ***argv, int (*test) (const uint8_t *data, size_t size));

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static MemoryContext context = NULL;
	MemoryContext caller = CurrentMemoryContext;
	int			encoding = GetDatabaseEncoding();

	if (size < 2 || size > ROOM)
		return 0;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "fuzz", ALLOCSET_DEFAULT_SIZES);
	input = data + 2;
	input_end = data + size;
	SetDatabaseEncoding(encodings[(data[1] >> 4) % lengthof(encodings)]);

	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		questions[data[0] % lengthof(questions)] (data[1] & 0xf);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		take_error();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	SetDatabaseEncoding(encoding);
	MemoryContextReset(context);

	for (int i = 0; i < REQUESTS_MAX; i++)
		require(!open_requests[i]);
	require(MemoryContextMemAllocated(http_context(), true) <= REQUEST_MEMORY_MAX);
	return 0;
}

/* fuzz(VARIADIC arguments text[]): run libFuzzer with its arguments, and end the process with its status. */
Datum
fuzz(PG_FUNCTION_ARGS)
{
	static const int signals[] = {SIGALRM, SIGFPE, SIGINT, SIGTERM};
	Datum	   *elements;
	int			count;
	int			argc = 0;
	char	  **argv;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	argv = palloc((count + 2) * sizeof(char *));
	argv[argc++] = "fuzz_elasticsearch";
	for (int i = 0; i < count; i++)
		argv[argc++] = TextDatumGetCString(elements[i]);
	argv[argc] = NULL;
	guc_elasticsearch_url = "http://127.0.0.1:9200";
	guc_elasticsearch_user = guc_elasticsearch_password_file = guc_elasticsearch_api_key_file = guc_elasticsearch_ca_file = "";
	guc_elasticsearch_shards = 1;
	log_min_messages = FATAL;	/* which is beyond the LOG of an alias */
	/* libFuzzer takes no signal that has a handler. */
	for (int i = 0; i < lengthof(signals); i++)
		pqsignal(signals[i], SIG_DFL);
	exit(LLVMFuzzerRunDriver(&argc, &argv, LLVMFuzzerTestOneInput));
}
