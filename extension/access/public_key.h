/*
 * public_key.h
 *	  Public keys as they are written in files: see public_key.c.
 */
#ifndef PG_CHAT_PUBLIC_KEY_H
#define PG_CHAT_PUBLIC_KEY_H

#include "postgres.h"

/* A public key: which signatures it verifies, and its SubjectPublicKeyInfo. */
typedef struct PublicKey
{
	const char *algorithm;		/* as JWT names it */
	bytea	   *der;
} PublicKey;

extern PublicKey public_key_parse(const text *pem);

#endif							/* PG_CHAT_PUBLIC_KEY_H */
