/*
 * redis_connection.c
 *	  A connection to Redis.
 *
 * The worker has one at most. Commands are appended, then sent together in an
 * exchange, which ends with the last reply. hiredis does the protocol, without
 * blocking; the waiting is done here, on the worker's latch together with the
 * socket, and ends after a deadline, whatever the server does. After an error
 * the connection is of no more use, and redis_disconnect must be called; it also
 * frees what the error left behind.
 *
 * The password is read at each login, and not kept. No error message shows it,
 * nor the URL, which may have one.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "storage/latch.h"
#include "utils/timestamp.h"

#include "common/dns_resolve.h"
#include "common/latch_wait.h"
#include "common/secret_file.h"
#include "redis/redis_connection.h"

#ifdef CHAT_REDIS_TLS
#include "redis/redis_tls.h"
#endif

/* How long an exchange, or connecting, may take. */
#define EXCHANGE_TIMEOUT_MS 2000

#define REDIS_PORT 6379

/*
 * Bytes that are read in an exchange, before it is too much: several times what
 * a slice of counters, or of keys, takes.
 */
#define EXCHANGE_BYTES_MAX (512 * 1024)

/* What is shown of a text that comes from outside. */
#define SHOWN_MAX 200

/* A URL, taken apart. Parts that it does not have are NULL. */
typedef struct RedisUrl
{
	bool		tls;
	char	   *host;			/* NULL for a Unix socket */
	int			port;
	char	   *path;
	char	   *user;
	char	   *password;
	char	   *database;
} RedisUrl;

/* What the server calls the history of its data; empty if it does not say. */
#define HISTORY_LENGTH 40
char	   *guc_redis_password_file;

static char history[HISTORY_LENGTH + 1];

static const char login_failed[] = "could not log in to";

static redisContext *connection = NULL;
static int	commands = 0;		/* appended, whose replies are not there yet */
static void *reply = NULL;		/* the one in hand: freed here after an error, too */

/* Decode %XX in place. Returns false if there is a bad one, or %00. */
static bool
percent_decode(char *text)
{
	char	   *target = text;

	for (; *text; text++, target++)
	{
		unsigned int byte;

		if (*text != '%')
			*target = *text;
		else if (isxdigit((unsigned char) text[1]) && isxdigit((unsigned char) text[2]) &&
				 sscanf(text + 1, "%2x", &byte) == 1 && byte != 0)
		{
			*target = byte;
			text += 2;
		}
		else
			return false;
	}
	*target = '\0';
	return true;
}

static bool
is_digits(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 5;
}

/*
 * Take user@, user:password@ or :password@ off the front of *rest.
 */
static bool
parse_user(char **rest, RedisUrl *parts, const char **problem)
{
	char	   *at = strrchr(*rest, '@');
	char	   *colon;

	if (at == NULL)
		return true;
	*at = '\0';
	colon = strchr(*rest, ':');
	if (colon != NULL)
	{
		*colon = '\0';
		parts->password = colon + 1;
	}
	if (colon == NULL || **rest != '\0')
		parts->user = *rest;
	*rest = at + 1;
	if ((parts->user == NULL || (*parts->user != '\0' && percent_decode(parts->user))) &&
		(parts->password == NULL || (*parts->password != '\0' && percent_decode(parts->password))))
		return true;
	*problem = "Before the @ stands a user, a user:password, or a :password, percent-encoded.";
	return false;
}

/* Parse host[:port][/database]. */
static bool
parse_address(char *rest, RedisUrl *parts, const char **problem)
{
	char	   *slash = strchr(rest, '/');
	char	   *end;

	if (slash != NULL)
	{
		*slash = '\0';
		if (slash[1] != '\0')
			parts->database = slash + 1;
	}

	parts->port = REDIS_PORT;
	parts->host = rest;
	if (*rest == '[' && (end = strchr(rest, ']')) != NULL)
	{
		parts->host = rest + 1;
		*end++ = '\0';
	}
	else
		end = rest + strcspn(rest, ":");
	if (*end == ':')
	{
		*end = '\0';
		if (!is_digits(end + 1) || (parts->port = atoi(end + 1)) < 1 || parts->port > 65535)
		{
			*problem = "The port must be a number from 1 to 65535.";
			return false;
		}
	}
	else if (*end != '\0')
	{
		*problem = "The host is malformed.";
		return false;
	}
	if (*parts->host == '\0')
	{
		*problem = "The host is missing.";
		return false;
	}
	return true;
}

/*
 * Take a URL apart, in place. Returns false and sets *problem if it is not one,
 * or asks for what this build cannot do.
 */
static bool
parse_url(char *url, RedisUrl *parts, const char **problem)
{
	char	   *rest;

	memset(parts, 0, sizeof(*parts));
	if (strncmp(url, "redis://", 8) == 0)
		rest = url + 8;
	else if (strncmp(url, "rediss://", 9) == 0)
	{
#ifndef CHAT_REDIS_TLS
		*problem = "rediss:// needs a hiredis with TLS, and pg_chat was built with one that has none.";
		return false;
#endif
		parts->tls = true;
		rest = url + 9;
	}
	else if (strncmp(url, "unix://", 7) == 0)
	{
		char	   *query;

		rest = url + 7;
		if (!parse_user(&rest, parts, problem))
			return false;
		if ((query = strchr(rest, '?')) != NULL)
		{
			*query++ = '\0';
			if (strncmp(query, "db=", 3) != 0 || query[3] == '\0')
			{
				*problem = "After the path may stand ?db=number.";
				return false;
			}
			parts->database = query + 3;
		}
		parts->path = rest;
		if (*rest != '/')
		{
			*problem = "The path must be absolute.";
			return false;
		}
	}
	else
	{
		*problem = "The URL must begin with redis://, rediss:// or unix://.";
		return false;
	}

	if (parts->path == NULL &&
		(!parse_user(&rest, parts, problem) || !parse_address(rest, parts, problem)))
		return false;
	if (parts->database != NULL && !is_digits(parts->database))
	{
		*problem = "The database must be a number.";
		return false;
	}
	return true;
}

/*
 * Whether the text is a URL that redis_connect takes, and has a password; if it
 * is not, *problem says why, without showing any of it.
 */
bool
redis_url_is_valid(const char *url, bool *has_password, const char **problem)
{
	RedisUrl	parts;
	char	   *copy = strdup(url);
	bool		valid;

	if (copy == NULL)
	{
		*problem = "Out of memory.";
		return false;
	}
	valid = parse_url(copy, &parts, problem);
	*has_password = parts.password != NULL;
	free(copy);
	return valid;
}

/*
 * Raise 08006: what could not be done, and why. That may be what the server
 * says, so it is cut, and only printable ASCII is shown.
 */
void
redis_raise(const char *what, const char *why)
{
	char	   *shown = pnstrdup(why, SHOWN_MAX);

	for (char *byte = shown; *byte; byte++)
		if (*byte < ' ' || *byte > '~')
			*byte = '?';
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("%s Redis: %s", what, shown)));
}

/* The time until the deadline. Raises 08006 if there is none. */
static long
left_ms(TimestampTz deadline)
{
	long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

	if (left <= 0)
		redis_raise("no answer from", "it took longer than 2 s");
	return left;
}

/*
 * Wait until the socket is ready for events. Raises 08006 at the deadline.
 */
static void
wait_for_socket(uint32 events, TimestampTz deadline)
{
	while (!latch_wait("ChatRedis", events, connection->fd, left_ms(deadline)))
		;
}

static TimestampTz
deadline_from_now(void)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), EXCHANGE_TIMEOUT_MS);
}

#ifdef CHAT_REDIS_TLS
/* Speak TLS from now on; the server proves that it is the host. */
static void
start_tls(const char *host, TimestampTz deadline)
{
	SSL		   *tls = redis_tls_begin(connection, host);
	uint32		events;

	while ((events = redis_tls_go_on(tls)) != 0)
		wait_for_socket(events, deadline);
}
#endif

/*
 * Raise why a login failed. Only the code is Redis's, since what follows may
 * quote the password, as where a server does not know the command.
 */
static void
require_login(int i, const redisReply *answer, void *context)
{
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

/* A server that does not know, or may not say, has no history. */
static void
take_history(int i, const redisReply *answer, void *context)
{
	static const char field[] = "\nmaster_replid:";
	const char *id = answer->type == REDIS_REPLY_STRING ? strstr(answer->str, field) : NULL;

	history[0] = '\0';
	if (id != NULL && strspn(id + strlen(field), "0123456789abcdef") == HISTORY_LENGTH)
		strlcpy(history, id + strlen(field), sizeof(history));
}

static void
log_in(const RedisUrl *parts, const char *password_file)
{
	char	   *password = NULL;

	if (parts->password != NULL && *password_file != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is a password in pg_chat.redis_url and another in the file of pg_chat.redis_password_file"),
				 errhint("Leave out one of them.")));
	if (*password_file != '\0')
		password = secret_file_read("pg_chat.redis_password_file", password_file);
	else if (parts->password != NULL)
		password = pstrdup(parts->password);
	else if (parts->user != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pg_chat.redis_url names a user, and there is no password"),
				 errhint("Put it into a file, and the file's name into pg_chat.redis_password_file.")));

	if (parts->user != NULL)
		redis_command(3, (const char *[]) {"AUTH", parts->user, password});
	else if (password != NULL)
		redis_command(2, (const char *[]) {"AUTH", password});
	if (password != NULL)
		secret_file_free(password);
	redis_exchange(require_login, NULL);

	if (parts->database != NULL)
		redis_command(2, (const char *[]) {"SELECT", parts->database});
	redis_exchange(require_selected, NULL);

	redis_command(2, (const char *[]) {"INFO", "replication"});
	redis_exchange(take_history, NULL);
}

/*
 * Begin to connect. The host's address is found first, since hiredis would
 * wait for it as long as it takes.
 */
static redisContext *
begin_to_connect(const RedisUrl *parts, TimestampTz deadline)
{
	static DnsResolver resolver;
	char		address[NI_MAXHOST];
	const char *problem;

	if (parts->host == NULL)
		return redisConnectUnixNonBlock(parts->path);
	problem = dns_resolve_host(&resolver, parts->host, deadline, address);
	if (problem != NULL)
		redis_raise("could not connect to", problem);
	return redisConnectNonBlock(address, parts->port);
}

/*
 * Whether the server has closed a connection on which nothing is awaited: what
 * can be read from it is its end, or announces it.
 */
static bool
is_closed(void)
{
	char		byte;

	return recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
		(errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/*
 * Connect, unless there is a connection that is open, and log in with the
 * password of the URL, or in a file, unless that is empty. Returns whether it is
 * a new one. Raises 08006 if it cannot be had, and what secret_file_read does.
 */
bool
redis_connect(const char *url, const char *password_file)
{
	RedisUrl	parts;
	const char *problem;
	TimestampTz deadline = deadline_from_now();
	int			error = 0;
	socklen_t	size = sizeof(error);

	if (connection != NULL && !is_closed())
		return false;
	redis_disconnect();
	if (!parse_url(pstrdup(url), &parts, &problem))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pg_chat.redis_url is not valid"),
				 errdetail("%s", problem)));

	connection = begin_to_connect(&parts, deadline);
	if (connection == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (connection->err)
		redis_raise("could not connect to", connection->errstr);

	wait_for_socket(WL_SOCKET_WRITEABLE, deadline);
	if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error != 0)
		redis_raise("could not connect to", strerror(error));
#ifdef CHAT_REDIS_TLS
	if (parts.tls)
		start_tls(parts.host, deadline);
#endif
	log_in(&parts, password_file);
	return true;
}

/*
 * What the data of the server that was connected to last go on from, by a name
 * that no other has: another one follows a restart, a failover, and a time as a
 * replica, after each of which data may be what they were before. Empty if it
 * is not known.
 */
const char *
redis_server_identity(void)
{
	return history;
}

/*
 * Drop the connection, if there is one, and what was under way on it.
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

/*
 * Append a command to the next exchange.
 */
void
redis_command(int argc, const char **argv)
{
	if (redisAppendCommandArgv(connection, argc, argv, NULL) != REDIS_OK)
		redis_raise("could not speak to", connection->errstr);
	commands++;
}

/* Bytes that were received, and are not part of an answer yet. */
static size_t
unread(void)
{
	return connection->reader->len - connection->reader->pos;
}

/*
 * Send what was appended, and pass each reply to callback, in order. Sends and
 * receives at the same time, so that neither side can wait for the other with
 * full buffers. Raises 08006 if that cannot be done within the deadline.
 */
void
redis_exchange(RedisReplyCallback callback, void *context)
{
	TimestampTz deadline = deadline_from_now();
	int			total = commands;
	int			received = 0;
	int			sent = 0;
	size_t		bytes = 0;

	while (received < total)
	{
		size_t		unread_before;

		if (redisGetReplyFromReader(connection, &reply) != REDIS_OK)
			redis_raise("could not understand", connection->errstr);
		(void) left_ms(deadline);
		if (reply != NULL)
		{
			callback(received++, reply, context);
			freeReplyObject(reply);
			reply = NULL;
			continue;
		}

		if (!sent && redisBufferWrite(connection, &sent) != REDIS_OK)
			redis_raise("could not write to", connection->errstr);
		wait_for_socket(sent ? WL_SOCKET_READABLE : WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE,
						deadline);
		unread_before = unread();
		if (redisBufferRead(connection) != REDIS_OK)
			redis_raise("could not read from", connection->errstr);
		bytes += unread() - unread_before;
		if (bytes > EXCHANGE_BYTES_MAX)
			redis_raise("could not read from", "the answer is too long");
	}
	commands = 0;
}

/*
 * What of a server's error may be shown. It may quote the command, and with it
 * a key that has a token: that part is left out, all but the code if need be.
 */
static const char *
shown_error(const char *text)
{
	char	   *shown = pstrdup(text);
	char	   *quote = strstr(shown, "with args");

	if (quote != NULL)
		while (quote > shown && strchr(" ,", quote[-1]) != NULL)
			quote--;
	if (quote != NULL)
		*quote = '\0';
	if (strstr(shown, "application:") != NULL)
		shown[strcspn(shown, " ")] = '\0';
	return strstr(shown, "application:") == NULL ? shown : "it refused the command";
}

/* Raise an answer that is none of those that were expected. */
void
redis_raise_answer(const char *what, const redisReply *reply)
{
	redis_raise(what, reply->type == REDIS_REPLY_ERROR ? shown_error(reply->str) : "the answer is malformed");
}

/* Whether it is a text, without a zero byte. */
bool
redis_is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING && strlen(reply->str) == reply->len;
}

/* Raise an answer unless it says that something was written. */
void
redis_require_written(int i, const redisReply *reply, void *context)
{
	if (reply->type != REDIS_REPLY_STATUS && reply->type != REDIS_REPLY_INTEGER)
		redis_raise_answer("could not write counters to", reply);
}
