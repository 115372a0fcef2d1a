/*
 * main.c
 *		Starts chatd, runs its event loop, stops it.
 *
 * chatd is one process with one event loop. With --loops it is several such
 * processes and a parent, which starts them, forwards signals and exits once they
 * have exited. They share the port and nothing else.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "access/gate.h"
#include "api/routes.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/service_manager.h"
#include "common/settings.h"
#include "db/connector.h"
#include "db/exports.h"
#include "db/reads.h"
#include "db/replay.h"
#include "db/sessions.h"
#include "db/writes.h"
#include "http/acceptor.h"
#include "http/connection.h"
#include "http/daemon.h"
#include "http/listener.h"
#include "http/server.h"
#include "metrics/figures.h"
#include "streams/follow.h"

#define TICK 1000
#define STOP_TIMEOUT 5000		/* for accepted requests to be answered, ms */
#define DRAIN_TIMEOUT 500		/* for responses to be sent after that, ms */
#define PROCESS_DESCRIPTORS 32
#define SESSION_DESCRIPTORS 4	/* for each session: its socket, and what connecting takes */

static Timer tick;
static Timer stop_timer;
static bool gave_up;			/* stopping: no longer waits for the database */
static bool finished;

static void
on_tick(void *unused)
{
	(void) unused;
	acceptor_resume();
	connections_tick();
	gate_tick();
	follow_tick();
	sessions_tick();
	exports_tick();
	replay_tick();
	reads_tick();
	writes_tick();
	loop_arm(&tick, loop_now() + TICK);
}

/* Ends a time limit of stopping: first that of the database, then that of the clients. */
static void
on_stop_timeout(void *unused)
{
	(void) unused;
	if (gave_up)
		finished = true;
	gave_up = true;
	sessions_close();
	exports_close();
	loop_arm(&stop_timer, loop_now() + DRAIN_TIMEOUT);
}

static void
on_signal(void *owner, uint32_t events)
{
	Watcher    *watcher = owner;
	struct signalfd_siginfo info;

	(void) events;
	if (read(watcher->fd, &info, sizeof(info)) != sizeof(info) || daemon_is_stopping())
		return;
	if (info.ssi_signo == SIGHUP)
	{
		gate_reload();
		return;
	}
	log_event("stopping");
	if (settings.loops == 1)
		service_manager_tell("STOPPING=1");
	acceptor_close();
	daemon_stop();
	follow_stop();
	loop_arm(&stop_timer, loop_now() + STOP_TIMEOUT);
}

/* Blocks the signals that chatd acts on; the loop reads them from a descriptor. */
static sigset_t
block_signals(void)
{
	sigset_t	signals;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signals;
}

/*
 * Reserves descriptors for the rest of the process, which could not reconnect to the
 * database if clients took them all. If the limit on descriptors cannot be raised,
 * max_connections and max_streams are lowered.
 */
static void
reserve_descriptors(void)
{
	struct rlimit limit;
	rlim_t		reserved = PROCESS_DESCRIPTORS + settings.loops + SESSION_DESCRIPTORS * sessions_wanted();
	rlim_t		clients = settings.max_connections + settings.max_streams;
	rlim_t		wanted = clients + reserved;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < reserved + 2)
	{
		log_event("the limit of descriptors is too low: %lu, at least %lu are needed",
				  (unsigned long) limit.rlim_cur, (unsigned long) reserved + 2);
		exit(1);
	}
	settings.max_connections = (int) (1 + (limit.rlim_cur - reserved - 2) * settings.max_connections / clients);
	settings.max_streams = (int) (limit.rlim_cur - reserved) - settings.max_connections;
	log_event("the limit of descriptors is %lu: %d connections and %d streams of clients are possible",
			  (unsigned long) limit.rlim_cur, settings.max_connections, settings.max_streams);
}

/* Sends queued queries to the database. */
static void
dispatch(void)
{
	follow_run();
	writes_dispatch();
	reads_dispatch();
}

/* Serves listening sockets until a signal stops it. Returns the exit status. */
static int
serve(const Listeners *listeners, const sigset_t *signals)
{
	static Watcher signal_watcher = {.fd = -1, .ready = on_signal, .owner = &signal_watcher};

	srandom(getpid() ^ time(NULL));
	loop_open();
	connections_open();
	loop_watch(&signal_watcher, signalfd(-1, signals, SFD_NONBLOCK | SFD_CLOEXEC), EPOLLIN);
	tick.fire = on_tick;
	stop_timer.fire = on_stop_timeout;
	loop_arm(&tick, loop_now() + TICK);
	sessions_open();
	server_open(listeners, &api_service);

	while (!finished)
	{
		loop_wait(daemon_is_busy() || follow_is_busy());
		daemon_run();
		dispatch();
		loop_fire_timers();
		dispatch();
		sessions_flush();
		exports_run();
		follow_end_iteration();
		if (daemon_is_stopping() && !daemon_is_busy() && connections_close_incomplete() == 0 && follow_has_ended())
			finished = true;
	}
	sessions_close();
	exports_close();
	dispatch();
	daemon_close();
	log_event("stopped");
	return 0;
}

/*
 * The parent of several loops: forwards signals until all have exited. If one
 * exits by itself, stops the others. Returns the exit status.
 */
static int
supervise(const pid_t *children, int count, const sigset_t *signals)
{
	int			remaining = count;
	int			status = 0;
	bool		stop = false;
	sigset_t	awaited = *signals;

	sigaddset(&awaited, SIGCHLD);
	sigprocmask(SIG_BLOCK, &awaited, NULL);
	while (remaining > 0)
	{
		int			child_status;
		int			signal_number = SIGCHLD;
		pid_t		ended = waitpid(-1, &child_status, WNOHANG);

		if (ended > 0)
		{
			remaining--;
			if (!stop || !WIFEXITED(child_status) || WEXITSTATUS(child_status) != 0)
				status = 1;
		}
		else
		{
			ended = 0;
			signal_number = sigwaitinfo(&awaited, NULL);
		}
		if (signal_number == SIGHUP)
			for (int i = 0; i < count; i++)
				kill(children[i], SIGHUP);
		else if (ended || signal_number != SIGCHLD)
		{
			if (!stop)
				service_manager_tell("STOPPING=1");
			for (int i = 0; i < count && !stop; i++)
				kill(children[i], SIGTERM);
			stop = true;
		}
	}
	return status;
}

/*
 * Starts a process for each loop's listening sockets and becomes their parent. Returns
 * the exit status, in the parent and in each of the processes.
 */
static int
run_loops(const Listeners *listeners, pid_t *children, int count, const sigset_t *signals)
{
	pid_t		parent = getpid();

	for (int i = 0; i < count; i++)
	{
		children[i] = fork();
		if (children[i] < 0)
		{
			/* The loops that were started exit with their parent. */
			log_event("cannot start a loop: %s", strerror(errno));
			return 1;
		}
		if (children[i] == 0)
		{
			/* A loop must not outlive its parent, which may have ended before it is told so. */
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			if (getppid() != parent)
				return 1;
			figures_take(i);
			for (int other = 0; other < count; other++)
				if (other != i)
					listeners_close(&listeners[other]);
			return serve(&listeners[i], signals);
		}
	}
	for (int i = 0; i < count; i++)
		listeners_close(&listeners[i]);
	service_manager_tell("READY=1");
	return supervise(children, count, signals);
}

static void
log_endpoints(const Endpoint *endpoints, int count)
{
	char		name[ENDPOINT_NAME_SIZE];

	for (int i = 0; i < count; i++)
	{
		endpoint_name(&endpoints[i], name);
		log_event("listening on %s", name);
	}
}

int
main(int argc, char **argv)
{
	sigset_t	signals;
	Endpoint	endpoints[ENDPOINTS_MAX];
	int			count;
	Listeners  *listeners;
	pid_t	   *children;
	pid_t		parent = getpid();
	int			status;

	settings_read(argc, argv);
	count = endpoints_read(endpoints);
	gate_open(endpoints, count);
	figures_open(settings.loops);
	signals = block_signals();
	reserve_descriptors();

	listeners = calloc(settings.loops, sizeof(Listeners));
	children = calloc(settings.loops, sizeof(pid_t));
	if (listeners == NULL || children == NULL)
	{
		log_event("out of memory");
		return 1;
	}
	/* Only the first one can tell whether another chatd has the port. */
	for (int i = 0; i < settings.loops; i++)
		listeners[i] = listeners_open(endpoints, count, i > 0 || settings.share_port);
	log_endpoints(endpoints, count);
	if (settings.loops == 1)
	{
		service_manager_tell("READY=1");
		status = serve(&listeners[0], &signals);
	}
	else
		status = run_loops(listeners, children, settings.loops, &signals);
	if (getpid() == parent)
		listeners_remove(endpoints, count);
	/* exit() would let libraries free what a thread that is connecting still uses. */
	if (connector_is_running())
		_exit(status);
	free(listeners);
	free(children);
	return status;
}
