/*
 * redis_connection.c
 *	  A connection to Redis.
 *
 * The worker has one at most. Commands are appended, and then sent together in
 * an exchange, which ends with the last reply. hiredis implements the
 * protocol, without blocking, on bytes that redis_reply_scan.c has accepted.
 * The waiting is done here, for the worker's latch together with the socket.
 * The time that a run of the job may wait in all is limited, whatever the
 * server does. After an error the connection cannot be used any more, and
 * redis_disconnect() must be called, which also frees what the error left
 * behind.
 *
 * The password is read at each login, and not kept. No error message shows it,
 * nor the URL, which may have one.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "common/dns_resolve.h"
#include "common/latch_wait.h"
#include "common/secret_file.h"
#include "redis/redis_answer.h"
#include "redis/redis_connection.h"
#include "redis/redis_reply_scan.h"
#include "redis/redis_url.h"

#ifdef CHAT_REDIS_TLS
#include "redis/redis_tls.h"
#endif

/*
 * The most time that a run of the job may wait in all, to connect, log in, and
 * exchange: the worker's other jobs wait meanwhile.
 */
#define TIMEOUT_MS 1000

/*
 * The most bytes that are read in an exchange: several times as many as a slice
 * of counters, or of keys, takes.
 */
#define EXCHANGE_BYTES_MAX (512 * 1024)

char	   *guc_redis_password_file;

/* The server's identifier of the history of its data; empty if it does not tell. */
#define HISTORY_LENGTH 40
static char history[HISTORY_LENGTH + 1];

static redisContext *connection = NULL;
static int64 left_us = 0;		/* left of the time that a run may wait */
static int	commands = 0;		/* appended, whose replies have not arrived */
static void *reply = NULL;		/* the reply being processed, to be freed after an error, too */

/* Begin a run of the job: from now on, it may wait for TIMEOUT_MS in all. */
void
redis_begin_run(void)
{
	left_us = TIMEOUT_MS * INT64CONST(1000);
}

/* Subtract the time since then from that of the run. Raises 08006 if none is left. */
static void
spend_time(TimestampTz since)
{
	left_us -= Max(GetCurrentTimestamp() - since, 0);
	if (left_us <= 0)
		redis_raise("no answer from", "it took longer than 1 s");
}

/*
 * Wait until the socket is ready for events. Raises 08006 if the time of the
 * run is over.
 */
static void
wait_for_socket(uint32 events)
{
	bool		ready;

	do
	{
		TimestampTz since = GetCurrentTimestamp();

		ready = latch_wait("ChatRedis", events, connection->fd, (left_us + 999) / 1000);
		spend_time(since);
	} while (!ready);
}

#ifdef CHAT_REDIS_TLS
/* Begin TLS; the server must prove that it is the host. */
static void
start_tls(const char *host)
{
	const char *problem;
	SSL		   *tls = redis_tls_begin(connection, host, &problem);
	uint32		events;

	if (tls == NULL)
		redis_raise("could not speak TLS to", problem);
	while ((events = redis_tls_go_on(tls, &problem)) != 0)
		wait_for_socket(events);
	if (problem != NULL)
		redis_raise("could not speak TLS to", problem);
}
#endif

/* Append a command to the next exchange; its arguments are copied. */
void
redis_command(int argc, const char **argv)
{
	if (redisAppendCommandArgv(connection, argc, argv, NULL) != REDIS_OK)
		redis_raise("could not speak to", connection->errstr);
	commands++;
}

/*
 * Read the bytes that have arrived. Returns their number; hiredis parses them
 * next.
 */
static size_t
receive(RedisReplyScan *scan)
{
	const redisReader *reader = connection->reader;
	size_t		unparsed = reader->len - reader->pos;
	size_t		received;
	const char *problem;

	if (redisBufferRead(connection) != REDIS_OK)
		redis_raise("could not read from", connection->errstr);
	received = reader->len - reader->pos - unparsed;
	problem = redis_reply_scan(scan, reader->buf + reader->len - received, received);
	if (problem != NULL)
		redis_raise("could not understand", problem);
	return received;
}

/*
 * Send the appended commands, and pass each reply to callback, in order. Sends
 * and receives at the same time, so that the two sides cannot wait for each
 * other with full buffers. Raises 08006 if that takes longer than the run may
 * wait, if the server sends something that is no reply, or if it sends too
 * many.
 */
void
redis_exchange(RedisReplyCallback callback, void *context)
{
	RedisReplyScan scan = redis_reply_scan_begin(commands);
	int			total = commands;
	int			replies = 0;
	int			sent = 0;
	size_t		bytes = 0;

	while (replies < total)
	{
		CHECK_FOR_INTERRUPTS();
		if (redisGetReplyFromReader(connection, &reply) != REDIS_OK)
			redis_raise("could not understand", connection->errstr);
		if (reply != NULL)
		{
			callback(replies++, reply, context);
			freeReplyObject(reply);
			reply = NULL;
			continue;
		}

		if (!sent && redisBufferWrite(connection, &sent) != REDIS_OK)
			redis_raise("could not write to", connection->errstr);
		wait_for_socket(sent ? WL_SOCKET_READABLE : WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE);
		bytes += receive(&scan);
		if (bytes > EXCHANGE_BYTES_MAX)
			redis_raise("could not read from", "the answer is too long");
	}
	commands = 0;
}

/*
 * Raise 08006 if a login failed. Only the code of the server's error is shown,
 * since the rest may quote the password, as when a server does not know the
 * command.
 */
static void
require_login(int i, const redisReply *answer, void *context)
{
	static const char login_failed[] = "could not log in to";
	static const struct
	{
		const char *code;
		const char *meaning;
	}			failures[] = {
		{"WRONGPASS ", "WRONGPASS: the user or the password is wrong, or the user is off"},
		{"NOAUTH ", "NOAUTH: it wants a password"},
		{"NOPERM ", "NOPERM: the user may not log in"},
		{"ERR ", "ERR: the password is wrong, or it has none, or no users, or not this command"}
	};

	if (answer->type != REDIS_REPLY_ERROR)
		return;
	for (int n = 0; n < lengthof(failures); n++)
		if (strncmp(answer->str, failures[n].code, strlen(failures[n].code)) == 0)
			redis_raise(login_failed, failures[n].meaning);
	redis_raise(login_failed, "it refused the command");
}

static void
require_selected(int i, const redisReply *answer, void *context)
{
	if (answer->type == REDIS_REPLY_ERROR)
		redis_raise_answer("could not select the database of", answer);
}

/* Take the history. A server that does not know it, or may not tell, has none. */
static void
take_history(int i, const redisReply *answer, void *context)
{
	static const char field[] = "\nmaster_replid:";
	const char *id = answer->type == REDIS_REPLY_STRING ? strstr(answer->str, field) : NULL;

	history[0] = '\0';
	if (id != NULL && strspn(id + strlen(field), "0123456789abcdef") == HISTORY_LENGTH)
		strlcpy(history, id + strlen(field), sizeof(history));
}

/* Take a reply of a login; context is the array of callbacks, by command. */
static void
take_login_reply(int i, const redisReply *answer, void *context)
{
	const RedisReplyCallback *callbacks = context;

	callbacks[i] (i, answer, NULL);
}

/* The password, of the URL or in a file; NULL: none. Freed by secret_file_free(). */
static char *
read_password(const RedisUrl *parts, const char *password_file)
{
	if (parts->password != NULL && *password_file != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is a password in pg_chat.redis_url and another in the file of pg_chat.redis_password_file"),
				 errhint("Leave out one of them.")));
	if (*password_file != '\0')
		return secret_file_read("pg_chat.redis_password_file", password_file);
	if (parts->password != NULL)
		return pstrdup(parts->password);
	if (parts->user != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pg_chat.redis_url names a user, and there is no password"),
				 errhint("Put it into a file, and the file's name into pg_chat.redis_password_file.")));
	return NULL;
}

/*
 * Log in, select the database, and ask for the history, all in one exchange,
 * which takes one round trip to the server.
 */
static void
log_in(const RedisUrl *parts, const char *password_file)
{
	char	   *password = read_password(parts, password_file);
	RedisReplyCallback callbacks[3];
	int			count = 0;

	if (password != NULL)
	{
		if (parts->user != NULL)
			redis_command(3, (const char *[]) {"AUTH", parts->user, password});
		else
			redis_command(2, (const char *[]) {"AUTH", password});
		secret_file_free(password);
		callbacks[count++] = require_login;
	}
	if (parts->database != NULL)
	{
		redis_command(2, (const char *[]) {"SELECT", parts->database});
		callbacks[count++] = require_selected;
	}
	redis_command(2, (const char *[]) {"INFO", "replication"});
	callbacks[count++] = take_history;
	redis_exchange(take_login_reply, callbacks);
}

/*
 * Begin to connect. The host's address is looked up first, since hiredis would
 * block for it.
 */
static redisContext *
begin_to_connect(const RedisUrl *parts)
{
	static DnsResolver resolver;
	TimestampTz since = GetCurrentTimestamp();
	char		address[NI_MAXHOST];
	const char *problem;

	if (parts->host == NULL)
		return redisConnectUnixNonBlock(parts->path);
	problem = dns_resolve_host(&resolver, parts->host, since + left_us, address);
	if (problem != NULL)
		redis_raise("could not connect to", problem);
	spend_time(since);
	return redisConnectNonBlock(address, parts->port);
}

/*
 * Whether the server has closed a connection on which no reply is awaited: if
 * it can be read from, that is its end, or an announcement of it.
 */
static bool
is_closed(void)
{
	char		byte;

	return recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
		(errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/*
 * Connect, unless there is an open connection, and log in with the password of
 * the URL or, unless that is empty, in a file. Returns whether the connection
 * is new. Raises 08006 if it fails, and what secret_file_read() does.
 */
bool
redis_connect(const char *url, const char *password_file)
{
	RedisUrl	parts;
	const char *problem;
	int			error = 0;
	socklen_t	size = sizeof(error);

	if (connection != NULL && !is_closed())
		return false;
	redis_disconnect();
	if (!redis_url_parse(pstrdup(url), &parts, &problem))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pg_chat.redis_url is not valid"),
				 errdetail("%s", problem)));

	connection = begin_to_connect(&parts);
	if (connection == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (connection->err)
		redis_raise("could not connect to", connection->errstr);

	wait_for_socket(WL_SOCKET_WRITEABLE);
	if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error != 0)
		redis_raise("could not connect to", strerror(error));
#ifdef CHAT_REDIS_TLS
	if (parts.tls)
		start_tls(parts.host);
#endif
	log_in(&parts, password_file);
	return true;
}

/*
 * The history of the data on the server that was connected to last, a unique
 * identifier. It changes with a restart, with a failover, and while the server
 * is a replica: after each of these the data may be older than before. Empty if
 * it is not known.
 */
const char *
redis_server_identity(void)
{
	return history;
}

/*
 * Close the connection, if there is one, and drop commands that are under way.
 */
void
redis_disconnect(void)
{
	if (reply != NULL)
		freeReplyObject(reply);
	reply = NULL;
	if (connection != NULL)
		redisFree(connection);
	connection = NULL;
	commands = 0;
}
