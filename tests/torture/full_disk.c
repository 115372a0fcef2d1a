/*
 * full_disk.c
 *		Loaded into a server by LD_PRELOAD: a disk that is full, or fails to flush.
 *
 * FULL_DISK names a file of three bytes, which the test writes and every process of the
 * server maps. Each is '1' while its fault is there:
 *
 *		0	no file outside of pg_wal becomes longer
 *		1	no file in pg_wal becomes longer, and none is made there
 *		2	fsync and fdatasync fail
 *
 * As on a real disk, what a file has already may be written again. Nothing is really flushed: the
 * machine does not crash here, and who kills processes does not lose what they have written.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static const volatile char *faults = "000";

__attribute__((constructor)) static void
map_faults(void)
{
	const char *name = getenv("FULL_DISK");
	int			fd = name ? open(name, O_RDONLY) : -1;
	void	   *map;

	if (fd < 0)
		return;
	map = mmap(NULL, 3, PROT_READ, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		faults = map;
	close(fd);
}

/* Whether the disk on which a file with this name is has no room. */
static bool
is_full(const char *path)
{
	return faults[strstr(path, "/pg_wal/") || strncmp(path, "pg_wal/", 7) == 0] == '1';
}

/* Whether an open file may not reach to this offset, where -1 stands for more than it has now. */
static bool
has_no_room(int fd, off_t end)
{
	char		link[64];
	char		path[PATH_MAX];
	struct stat status;
	ssize_t		length;

	if (faults[0] != '1' && faults[1] != '1')
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length <= 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return false;
	path[length] = '\0';
	/* The server's log is kept: it has to tell. */
	if (strstr(path, "/data/") == NULL || !is_full(path))
		return false;
	return end < 0 || end > status.st_size;
}

static size_t
total(const struct iovec *parts, int count)
{
	size_t		length = 0;

	for (int i = 0; i < count; i++)
		length += parts[i].iov_len;
	return length;
}

static off_t
end_of_write(int fd, size_t length)
{
	return fcntl(fd, F_GETFL) & O_APPEND ? -1 : lseek(fd, 0, SEEK_CUR) + (off_t) length;
}

#define REFUSE_IF(condition) \
	do { \
		if (condition) \
		{ \
			errno = ENOSPC; \
			return -1; \
		} \
	} while (0)

ssize_t
write(int fd, const void *bytes, size_t length)
{
	if (faults[0] == '1' || faults[1] == '1')
		REFUSE_IF(has_no_room(fd, end_of_write(fd, length)));
	return REAL(write) (fd, bytes, length);
}

ssize_t
pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
	REFUSE_IF(has_no_room(fd, offset + (off_t) length));
	return REAL(pwrite) (fd, bytes, length, offset);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
	return pwrite(fd, bytes, length, offset);
}

ssize_t
pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	REFUSE_IF(has_no_room(fd, offset + (off_t) total(parts, count)));
	return REAL(pwritev) (fd, parts, count, offset);
}

ssize_t
pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
	return pwritev(fd, parts, count, offset);
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
	if (faults[0] == '1' || faults[1] == '1')
		REFUSE_IF(has_no_room(fd, end_of_write(fd, total(parts, count))));
	return REAL(writev) (fd, parts, count);
}

int
posix_fallocate(int fd, off_t offset, off_t length)
{
	if (has_no_room(fd, offset + length))
		return ENOSPC;
	return REAL(posix_fallocate) (fd, offset, length);
}

int
posix_fallocate64(int fd, off64_t offset, off64_t length)
{
	return posix_fallocate(fd, offset, length);
}

/* The mode that open() has where it may make a file. */
#define TAKE_MODE(mode, flags) \
	do { \
		if ((flags) & O_CREAT) \
		{ \
			va_list		arguments; \
			va_start(arguments, flags); \
			mode = va_arg(arguments, mode_t); \
			va_end(arguments); \
		} \
	} while (0)

int
open(const char *path, int flags,...)
{
	mode_t		mode = 0;

	TAKE_MODE(mode, flags);
	REFUSE_IF((flags & O_CREAT) && faults[1] == '1' && strncmp(path, "pg_wal/", 7) == 0);
	return REAL(open) (path, flags, mode);
}

int
open64(const char *path, int flags,...)
{
	mode_t		mode = 0;

	TAKE_MODE(mode, flags);
	return open(path, flags, mode);
}

static int
flush(void)
{
	if (faults[2] != '1')
		return 0;
	errno = EIO;
	return -1;
}

int
fsync(int fd)
{
	(void) fd;
	return flush();
}

int
fdatasync(int fd)
{
	(void) fd;
	return flush();
}
