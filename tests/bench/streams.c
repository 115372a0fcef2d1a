/*
 * streams.c
 *		Opens many streams of a chatd, has messages written, and measures when they arrive.
 *
 * A message's body begins with the time at which its writer sent it, so each stream's delay
 * can be told. Everything is in one thread, with one epoll set. Prints a line of JSON:
 * how many streams were open, events that arrived, those that were missed or came twice, and
 * the delays.
 *
 * Usage: streams --streams URL [--post URL | --sql CONNINFO] --path PATH [--count N] [--first N]
 *                [--rate N | --window N] [--seconds N] [--messages N] [--hold]
 *
 *		--path		of the chat's messages; %d: a chat of its own for each stream, from the first (1) on
 *		--rate		messages a second, whatever becomes of them
 *		--window	as many as may be under way at a time, as fast as possible
 *		--messages	reads so many events from each stream, from position 0 on, and writes none
 *		--hold		opens the streams, prints a line, and waits for the end of stdin
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 512
#define OPENING 256				/* streams that are being opened at a time */
#define ADDRESSES 8				/* of this host, so that there are ports enough */

typedef struct Reader
{
	int			fd;
	bool		ready;
	bool		closed;
	int			last;			/* number that arrived */
	size_t		used;
	char		line[LINE_SIZE];	/* the beginning of the line that is arriving */
} Reader;

static Reader *readers;
static int	count = 1;
static int	first = 1;
static int	ready_count;
static int	epoll_fd;
static struct sockaddr_in address;
static const char *path;

static double *delays;
static size_t delay_count;
static size_t delay_size;
static long events;
static long missed;
static long twice;
static int	whole;				/* readers that have all messages */
static int	wanted;				/* messages that each is to read, or 0 */

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	fprintf(stderr, "streams: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in
parse_url(const char *url)
{
	struct sockaddr_in result = {.sin_family = AF_INET};
	char		host[64];
	int			port;

	if (sscanf(url, "http://%63[0-9.]:%d", host, &port) != 2 || inet_pton(AF_INET, host, &result.sin_addr) != 1)
		die("a URL has to be http://ADDRESS:PORT");
	result.sin_port = htons(port);
	return result;
}

static int
connect_to(const struct sockaddr_in *to, int from)
{
	struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + from)};
	int			fd = socket(AF_INET, SOCK_STREAM, 0);
	int			on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *) &source, sizeof(source)) < 0 || connect(fd, (struct sockaddr *) to, sizeof(*to)) < 0)
		die("cannot connect");
	return fd;
}

static void
open_reader(int i)
{
	Reader	   *reader = &readers[i];
	char		request[512];
	char		chat_path[256];
	int			length;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = reader};

	snprintf(chat_path, sizeof(chat_path), path, first + i);
	reader->fd = connect_to(&address, 1 + i % ADDRESSES);
	length = snprintf(request, sizeof(request), "GET %s/stream%s HTTP/1.1\r\nHost: x\r\n\r\n", chat_path,
					  wanted ? "?last_event_id=0" : "");
	if (write(reader->fd, request, length) != length)
		die("cannot write");
	fcntl(reader->fd, F_SETFL, O_NONBLOCK);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, reader->fd, &event);
}

static void
add_delay(double delay)
{
	if (delay_count == delay_size)
	{
		double	   *larger;

		delay_size = delay_size ? delay_size * 2 : 65536;
		larger = realloc(delays, delay_size * sizeof(double));
		if (larger == NULL)
			die("out of memory");
		delays = larger;
	}
	delays[delay_count++] = delay;
}

static void
take_line(Reader *reader, const char *line)
{
	const char *number = strstr(line, "\"number\"");
	const char *sent = strstr(line, "sent ");
	int			n;

	if (strncmp(line, "event: ready", 12) == 0)
	{
		reader->ready = true;
		ready_count++;
	}
	if (strncmp(line, "data: ", 6) != 0 || number == NULL)
		return;
	n = atoi(number + strcspn(number, "0123456789"));
	events++;
	if (reader->last && n > reader->last + 1)
		missed += n - reader->last - 1;
	if (n <= reader->last)
		twice++;
	reader->last = n;
	if (sent && !wanted)
		add_delay(now() - strtod(sent + 5, NULL));
	if (n == wanted)
		whole++;
}

static void
read_from(Reader *reader)
{
	static char buffer[256 * 1024];
	ssize_t		length = recv(reader->fd, buffer, sizeof(buffer), 0);
	char	   *byte = buffer;
	char	   *end = buffer + length;

	if (length <= 0)
	{
		if (length == 0 || errno != EAGAIN)
		{
			reader->closed = true;
			close(reader->fd);
		}
		return;
	}
	while (byte < end)
	{
		char	   *feed = memchr(byte, '\n', end - byte);
		size_t		part = (feed ? feed : end) - byte;
		size_t		room = LINE_SIZE - 1 - reader->used;

		memcpy(reader->line + reader->used, byte, part < room ? part : room);
		reader->used += part < room ? part : room;
		byte += part + (feed != NULL);
		if (feed)
		{
			reader->line[reader->used] = '\0';
			take_line(reader, reader->line);
			reader->used = 0;
		}
	}
}

/* Takes in what has arrived, for so many ms at most. */
static void
pump(int timeout)
{
	struct epoll_event ready[512];
	int			n = epoll_wait(epoll_fd, ready, 512, timeout);

	for (int i = 0; i < n; i++)
		if (ready[i].data.ptr)
			read_from(ready[i].data.ptr);
}

/* The writer: over HTTP, with as many connections as may be under way, or over SQL. */
static PGconn *sql;
static int	writers[1024];
static bool writing[1024];
static int	writer_count = 1;
static long written;

static void
write_sql(void)
{
	char		statement[512];
	char		token[64];
	int			chat;

	if (sscanf(path, "/applications/%63[0-9a-f]/chats/%d", token, &chat) != 2)
		die("the path has no token and chat");
	snprintf(statement, sizeof(statement), "SELECT chat.create_message('%s'::text, %d, 'sent %.9f')", token, chat, now());
	PQclear(PQexec(sql, statement));
	written++;
}

/* Sends a message by a connection that is idle; returns false if there is none. */
static bool
write_http(void)
{
	for (int i = 0; i < writer_count; i++)
	{
		char		body[128];
		char		request[512];
		int			length;

		if (writing[i])
			continue;
		length = snprintf(body, sizeof(body), "data[body]=sent+%.9f", now());
		length = snprintf(request, sizeof(request),
						  "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
						  path, length, body);
		if (write(writers[i], request, length) != length)
			die("cannot post");
		writing[i] = true;
		written++;
		return true;
	}
	return false;
}

static void
take_answers(void)
{
	char		answer[4096];

	for (int i = 0; i < writer_count; i++)
		if (writing[i] && recv(writers[i], answer, sizeof(answer), MSG_DONTWAIT) > 0)
		{
			if (strncmp(answer, "HTTP/1.1 201", 12) != 0)
				die(answer);
			writing[i] = false;
		}
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	const char *post = NULL;
	const char *conninfo = NULL;
	double		rate = 0;
	double		seconds = 5;
	bool		hold = false;
	struct rlimit files;
	double		began;
	double		ended;

	for (int i = 1; i < argc; i++)
	{
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--hold") == 0)
		{
			hold = true;
			continue;
		}
		if (strcmp(argv[i], "--streams") == 0)
			address = parse_url(value);
		else if (strcmp(argv[i], "--post") == 0)
			post = value;
		else if (strcmp(argv[i], "--sql") == 0)
			conninfo = value;
		else if (strcmp(argv[i], "--path") == 0)
			path = value;
		else if (strcmp(argv[i], "--count") == 0)
			count = atoi(value);
		else if (strcmp(argv[i], "--first") == 0)
			first = atoi(value);
		else if (strcmp(argv[i], "--rate") == 0)
			rate = atof(value);
		else if (strcmp(argv[i], "--window") == 0)
			writer_count = atoi(value);
		else if (strcmp(argv[i], "--seconds") == 0)
			seconds = atof(value);
		else if (strcmp(argv[i], "--messages") == 0)
			wanted = atoi(value);
		else
			die(argv[i]);
		i++;
	}
	if (path == NULL || address.sin_port == 0 || writer_count > 1024)
		die("--streams and --path are needed");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);

	epoll_fd = epoll_create1(0);
	readers = calloc(count, sizeof(Reader));
	began = now();
	for (int i = 0; i < count; i++)
	{
		open_reader(i);
		while (i - ready_count > OPENING)
			pump(10);
	}
	while (ready_count < count && now() - began < 120)
		pump(10);
	if (hold)
	{
		printf("{\"streams\": %d}\n", ready_count);
		fflush(stdout);
		for (int flags = fcntl(0, F_SETFL, O_NONBLOCK); flags >= 0;)
		{
			char		byte;

			pump(100);
			if (read(0, &byte, 1) == 0)
				return 0;
		}
	}
	if (conninfo)
		sql = PQconnectdb(conninfo);
	if (post)
	{
		struct sockaddr_in to = parse_url(post);

		for (int i = 0; i < writer_count; i++)
		{
			struct epoll_event event = {.events = EPOLLIN};

			writers[i] = connect_to(&to, 0);
			epoll_ctl(epoll_fd, EPOLL_CTL_ADD, writers[i], &event);
		}
	}

	began = wanted ? began : now();
	ended = began + seconds;
	while (wanted ? whole < count && now() < began + 600 : now() < ended)
	{
		double		due = rate ? began + (written + 1) / rate : 0;

		if (!wanted && (rate == 0 || now() >= due))
		{
			if (sql)
				write_sql();
			else
				while (write_http() && rate == 0)
					;
		}
		pump(rate ? (due - now() > 0.001 ? 1 : 0) : 1);
		take_answers();
	}
	/* What is under way. */
	for (double last = now(); !wanted && events < written * count && now() - last < 5;)
	{
		pump(10);
		take_answers();
	}
	ended = now();
	qsort(delays, delay_count, sizeof(double), compare);
	printf("{\"streams\": %d, \"written\": %ld, \"events\": %ld, \"missed\": %ld, \"twice\": %ld, \"seconds\": %.3f",
		   ready_count, written, events, missed, twice, ended - began);
	if (delay_count)
		printf(", \"p50_ms\": %.3f, \"p99_ms\": %.3f", 1e3 * delays[delay_count / 2], 1e3 * delays[delay_count * 99 / 100]);
	printf("}\n");
	return 0;
}
