/*
 * verification_key.h
 *		Keys that verify signatures of applications.
 */
#ifndef CHATD_VERIFICATION_KEY_H
#define CHATD_VERIFICATION_KEY_H

#include "access/fact.h"
#include "access/grant.h"

typedef struct VerificationKey VerificationKey;

/*
 * Asks for the key of an application, by its token, and a kid; the waiter gets
 * a VerificationKey, or NULL.
 */
extern void verification_key_ask(const char *token, size_t length, const char *kid, FactWaiter *waiter);

/* Asks the database for the key that verified the token of a grant, whatever is cached. */
extern void verification_key_ask_again(const Grant *grant, FactWaiter *waiter);

/* Returns the id of the application of a key. */
extern int	verification_key_application(const VerificationKey *key);

/* Returns what tells a key from another with the same kid: a digest of it, in the format of bytea. */
extern const char *verification_key_digest(const VerificationKey *key);

/*
 * Returns whether a signature of a text by the key is valid. It is not if the
 * algorithm, as JWT names it, is not that of the key.
 */
extern bool verification_key_verifies(const VerificationKey *key, const char *algorithm,
									  const char *text, size_t length,
									  const unsigned char *signature, size_t signature_length);

/* Creates a key, for tests. Returns NULL if the material does not fit the algorithm. */
extern VerificationKey *verification_key_new(const char *algorithm, const unsigned char *material, size_t length);

/* Frees a key. */
extern void verification_key_free(void *key);

#endif
