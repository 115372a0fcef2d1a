/*
 * application_token.c
 *		Tokens of applications, by their ids.
 */
#include <stdlib.h>

#include "access/application_token.h"

#define COLUMN_TOKEN 0			/* of GET_TOKENS */

static void *
read_token(const Rows *rows)
{
	return rows_text(rows, COLUMN_TOKEN);
}

static const FactType token_type = {GET_TOKENS, read_token, free};

bool
is_application_id(const Text *segment)
{
	int			id;

	return uri_number(segment->bytes, segment->length, 1, &id);
}

void
application_token_ask(const Text *id, FactWaiter *waiter)
{
	Digest		name = digest_of(id->bytes, id->length);

	if (!fact_tell(&token_type, &name, waiter))
		fact_ask(&token_type, &name, &(FactParameters) {.first = id->bytes, .first_length = id->length}, waiter);
}
