/*
 * public_key.h
 *	  Public keys in PEM format: see public_key.c.
 */
#ifndef PG_CHAT_PUBLIC_KEY_H
#define PG_CHAT_PUBLIC_KEY_H

#include "postgres.h"

/* A public key: its algorithm and its SubjectPublicKeyInfo. */
typedef struct PublicKey
{
	const char *algorithm;		/* as in JWT */
	bytea	   *der;
} PublicKey;

extern PublicKey public_key_parse(const text *pem);

#endif							/* PG_CHAT_PUBLIC_KEY_H */
