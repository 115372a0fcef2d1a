/*
 * slow.c
 *		Loaded into chatd by LD_PRELOAD: makes one function slow, that named by SLOW, as
 *		long as the file named by SLOW_WHILE exists.
 *
 * Each call then leaves a line in that file, so that a test can wait for it. With SLOW=prctl
 * the parent of the process that calls it dies just before.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void
take_long(const char *name)
{
	const char *slow = getenv("SLOW");
	const char *file = getenv("SLOW_WHILE");
	int			fd;

	if (slow == NULL || file == NULL || strcmp(slow, name) != 0)
		return;
	fd = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_APPEND);
	if (fd < 0)
		return;
	syscall(SYS_write, fd, "slow\n", 5);
	syscall(SYS_close, fd);
	while (syscall(SYS_faccessat, AT_FDCWD, file, F_OK) == 0)
		usleep(10000);
}

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	take_long("getaddrinfo");
	return REAL(getaddrinfo) (node, service, hints, result);
}

int
connect(int fd, const struct sockaddr *address, socklen_t length)
{
	take_long("connect");
	return REAL(connect) (fd, address, length);
}

int
getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **result)
{
	take_long("getpwuid_r");
	return REAL(getpwuid_r) (uid, entry, buffer, size, result);
}

FILE *
fopen(const char *path, const char *mode)
{
	take_long("fopen");
	return REAL(fopen) (path, mode);
}

int
stat(const char *path, struct stat *status)
{
	take_long("stat");
	return REAL(stat) (path, status);
}

ssize_t
send(int fd, const void *bytes, size_t length, int flags)
{
	if (!(flags & MSG_DONTWAIT) && !(fcntl(fd, F_GETFL) & O_NONBLOCK))
		take_long("send");
	return REAL(send) (fd, bytes, length, flags);
}

/* The process that the library was loaded into, of which others are forked. */
static pid_t first;

__attribute__((constructor)) static void
remember_first(void)
{
	first = getpid();
}

int
prctl(int option, ...)
{
	const char *slow = getenv("SLOW");
	va_list		arguments;
	unsigned long value;

	va_start(arguments, option);
	value = va_arg(arguments, unsigned long);
	va_end(arguments);
	if (slow && strcmp(slow, "prctl") == 0)
		while (getppid() == first)
		{
			kill(first, SIGKILL);
			usleep(1000);
		}
	return syscall(SYS_prctl, option, value, 0, 0, 0);
}
