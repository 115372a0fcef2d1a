/*
 * secret_file.c
 *	  Secrets, which are kept in files of their own.
 *
 * PostgreSQL logs the value of a setting that changes, and the statement of
 * ALTER SYSTEM. So a setting has the name of a file, whose first line is the
 * password or key. (For a password in a URL see guc.c.) Nothing here shows the
 * contents of a file.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/secret_file.h"

/* The longest secret, in bytes. */
#define SECRET_MAX 4096

/*
 * Whether others than the server may read the file. It must belong to the
 * server's user, or to root with read access for a group of the server's user,
 * as with the key of TLS.
 */
static bool
is_open_to_others(const struct stat *status)
{
	if (status->st_uid == geteuid())
		return (status->st_mode & (S_IRWXG | S_IRWXO)) != 0;
	return status->st_uid != 0 || (status->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) != 0;
}

/*
 * Read the beginning of a file into buffer, which has room for size bytes.
 * Returns how many were read, or -1 with errno set.
 */
static ssize_t
read_start(int fd, char *buffer, size_t size)
{
	size_t		length = 0;
	ssize_t		count;

	do
	{
		count = read(fd, buffer + length, size - length);
		if (count > 0)
			length += count;
	} while (count > 0 || (count < 0 && errno == EINTR));
	return count < 0 ? -1 : (ssize_t) length;
}

/*
 * Open the file of a secret. Raises an error unless it is a regular file that
 * others cannot read; see secret_file_read().
 */
static int
open_file(const char *setting, const char *path)
{
	/* Does not block, as for the writer of a pipe. */
	int			fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0)
	{
		int			saved_errno = errno;

		if (fd >= 0)
			close(fd);
		errno = saved_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open the file \"%s\" of %s: %m", path, setting),
				 errhint("It must be readable by the operating system's user that PostgreSQL runs as; a relative path begins at the data directory.")));
	}
	if (!S_ISREG(status.st_mode))
	{
		close(fd);
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the file \"%s\" of %s is not a regular file", path, setting)));
	}
	if (is_open_to_others(&status))
	{
		close(fd);
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the file \"%s\" of %s can be accessed by others", path, setting),
				 errhint("Give it to the operating system's user that PostgreSQL runs as, with mode 0600 or less; or to root, with mode 0640 or less.")));
	}
	return fd;
}

/*
 * The secret in the file that a setting names, in the current memory context. A
 * relative path begins at the data directory, the current directory of
 * PostgreSQL's processes. Raises 58P01 if there is no such file, 42501 if it
 * cannot be read or others can read it, 42809 if it is not a regular file, and
 * 22023 if its first line is not a secret.
 */
char *
secret_file_read(const char *setting, const char *path)
{
	char		content[SECRET_MAX + 2];	/* with its end of line */
	int			fd = open_file(setting, path);
	ssize_t		length = read_start(fd, content, sizeof(content));
	int			read_errno = errno;
	ssize_t		end = 0;
	char	   *secret;

	close(fd);
	errno = read_errno;
	if (length < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read the file \"%s\" of %s: %m", path, setting)));

	while (end < length && content[end] != '\n' && content[end] != '\r')
		end++;
	secret = pnstrdup(content, end);
	explicit_bzero(content, sizeof(content));
	if (end == 0 || end > SECRET_MAX || strlen(secret) < end)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the file \"%s\" of %s has no secret on its first line", path, setting),
				 errhint("The secret is 1 to %d bytes, without a zero byte.", SECRET_MAX)));
	return secret;
}

/* Free a secret, and erase it from memory. */
void
secret_file_free(char *secret)
{
	explicit_bzero(secret, strlen(secret));
	pfree(secret);
}
