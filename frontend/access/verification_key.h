/*
 * verification_key.h
 *		Keys that verify signatures of applications.
 */
#ifndef CHATD_VERIFICATION_KEY_H
#define CHATD_VERIFICATION_KEY_H

#include "access/fact.h"

typedef struct VerificationKey VerificationKey;

/* Asks for the key of an application, by its token, and a kid; the waiter gets a VerificationKey. */
extern void verification_key_ask(const char *token, size_t length, const char *kid, FactWaiter *waiter);

/* The id of its application. */
extern int	verification_key_application(const VerificationKey *key);

/*
 * Is this the signature of a text by the key? Not if the algorithm, as JWT names it,
 * is not the key's own.
 */
extern bool verification_key_verifies(const VerificationKey *key, const char *algorithm,
									  const char *text, size_t length,
									  const unsigned char *signature, size_t signature_length);

/* A key of one's own, for tests; NULL if the material is not what the algorithm needs. */
extern VerificationKey *verification_key_new(const char *algorithm, const unsigned char *material, size_t length);

/* Frees a key. */
extern void verification_key_free(void *key);

#endif
