/*
 * list.c
 *		Settings that are lists, separated by commas.
 */
#include <stdio.h>
#include <string.h>

#include "access/list.h"

const char *
list_each(const char *setting, const char *name, const char *wanted,
		  bool (*take) (const char *element, size_t length))
{
	static char problem[256];

	while (setting && *setting)
	{
		size_t		length;

		setting += strspn(setting, " ,");
		length = strcspn(setting, " ,");
		if (length > 0 && !take(setting, length))
		{
			snprintf(problem, sizeof(problem), "--%s: %.*s is not %s", name, (int) length, setting, wanted);
			return problem;
		}
		setting += length;
	}
	return NULL;
}
