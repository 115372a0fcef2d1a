/*
 * settings_file.c
 *		A file of settings.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/settings_file.h"

#define FILE_MAX (64 * 1024)	/* bytes */

/* Strips white space from both ends of a text, in place. */
static char *
trim(char *text)
{
	size_t		length;

	while (isspace((unsigned char) *text))
		text++;
	length = strlen(text);
	while (length > 0 && isspace((unsigned char) text[length - 1]))
		text[--length] = '\0';
	return text;
}

/* Reads a file whole. Returns NULL, with a problem, if that fails. */
static char *
read_text(const char *path, char *problem, size_t size)
{
	FILE	   *file = fopen(path, "re");
	char	   *text = file ? malloc(FILE_MAX + 1) : NULL;
	size_t		length = text ? fread(text, 1, FILE_MAX + 1, file) : 0;

	if (text == NULL || ferror(file))
		snprintf(problem, size, "cannot be read: %s", strerror(errno));
	else if (length > FILE_MAX || memchr(text, '\0', length))
		snprintf(problem, size, "is no file of settings");
	else
	{
		text[length] = '\0';
		fclose(file);
		return text;
	}
	free(text);
	if (file)
		fclose(file);
	return NULL;
}

char *
settings_file_read(const char *path,
				   bool (*take) (const char *name, const char *value, char *problem, size_t size),
				   char *problem, size_t size)
{
	char	   *text = read_text(path, problem, size);
	char	   *rest = text;
	char	   *line;

	for (int number = 1; text && (line = strsep(&rest, "\n")) != NULL; number++)
	{
		char	   *equals = strchr(line, '=');
		int			used = snprintf(problem, size, "line %d: ", number);
		const char *name = trim(line);

		if (*name == '\0' || *name == '#')
			continue;
		if (equals)
		{
			*equals = '\0';
			name = trim(line);
			if (take(name, trim(equals + 1), problem + used, size - used))
				continue;
		}
		else
			snprintf(problem + used, size - used, "is not NAME = VALUE");
		free(text);
		text = NULL;
	}
	return text;
}
