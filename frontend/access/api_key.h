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

/* Does the same with the digest and id of a key. */
extern void api_key_ask_digest(const char *hex, int id, FactWaiter *waiter);

/* Called once a second; reports used keys to the database, once a minute. */
extern void api_keys_tick(void);

#endif
