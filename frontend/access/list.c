/*
 * list.c
 *		Settings that are lists, separated by commas.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/list.h"

void
list_each(const char *setting, const char *name, const char *wanted,
		  bool (*take) (const char *element, size_t length))
{
	while (setting && *setting)
	{
		size_t		length;

		setting += strspn(setting, " ,");
		length = strcspn(setting, " ,");
		if (length > 0 && !take(setting, length))
		{
			fprintf(stderr, "chatd: --%s: %.*s is not %s\n", name, (int) length, setting, wanted);
			exit(2);
		}
		setting += length;
	}
}
