/*
 * grant.c
 *		A grant: the rights that a credential gives to a caller.
 */
#include <stdlib.h>
#include <string.h>

#include "access/grant.h"

static const char *const names[] = {
	[SCOPE_NONE] = "",
	[SCOPE_READ] = "read",
	[SCOPE_WRITE] = "write",
	[SCOPE_ADMIN] = "admin",
};

Grant *
grant_new(void)
{
	Grant	   *grant = calloc(1, sizeof(Grant));

	if (grant)
		grant->references = 1;
	return grant;
}

Grant *
grant_keep(Grant *grant)
{
	if (grant)
		grant->references++;
	return grant;
}

void
grant_release(Grant *grant)
{
	if (grant == NULL || --grant->references > 0)
		return;
	free(grant->token);
	free(grant->user);
	free(grant->chats);
	free(grant->digest);
	free(grant->kid);
	free(grant);
}

bool
grant_set(char **text, const char *value)
{
	*text = strdup(value);
	return *text != NULL;
}

static int
compare_numbers(const void *a, const void *b)
{
	int			left = *(const int *) a;
	int			right = *(const int *) b;

	return (left > right) - (left < right);
}

void
grant_sort_chats(Grant *grant)
{
	qsort(grant->chats, grant->chat_count, sizeof(int), compare_numbers);
}

bool
grant_has_chat(const Grant *grant, int chat)
{
	return grant->all_chats ||
		(grant->chat_count > 0 && bsearch(&chat, grant->chats, grant->chat_count, sizeof(int), compare_numbers));
}

Scope
scope_parse(const char *name)
{
	for (Scope scope = SCOPE_READ; scope <= SCOPE_ADMIN; scope++)
		if (strcmp(names[scope], name) == 0)
			return scope;
	return SCOPE_NONE;
}

const char *
scope_name(Scope scope)
{
	return names[scope];
}
