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
 * Asks for the grant of a key; the waiter gets a Grant, or NULL if the key does not
 * count. Returns false if the text is no key.
 */
extern bool api_key_ask(const char *key, FactWaiter *waiter);

/* Asks again for the grant of the key that a grant is of. */
extern void api_key_ask_again(const Grant *grant, FactWaiter *waiter);

/* Once a second: tells the database which keys were used, a minute after it was told last. */
extern void api_keys_tick(void);

#endif
