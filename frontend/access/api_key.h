/*
 * api_key.h
 *		Keys, as chat.create_key() makes them: pgc_<id>_<secret>.
 */
#ifndef CHATD_API_KEY_H
#define CHATD_API_KEY_H

#include "access/fact.h"
#include "access/grant.h"

#define API_KEY_PREFIX "pgc_"

/*
 * Asks for the grant of a key; the waiter gets a Grant, or NULL if the key is
 * unknown, revoked or expired. Returns false if the text is not a key.
 */
extern bool api_key_ask(const char *key, FactWaiter *waiter);

/* Asks the database again for the grant of the key that a grant belongs to, whatever is cached. */
extern void api_key_ask_again(const Grant *grant, FactWaiter *waiter);

/* Called once a second; reports used keys to the database, once a minute. */
extern void api_keys_tick(void);

#endif
