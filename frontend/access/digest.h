/*
 * digest.h
 *		SHA-256 digests, which are kept instead of secrets.
 */
#ifndef CHATD_DIGEST_H
#define CHATD_DIGEST_H

#include <stddef.h>

#define DIGEST_SIZE 32
#define DIGEST_HEX_SIZE (2 + 2 * DIGEST_SIZE)	/* with \x before it, as PostgreSQL writes bytes */

typedef struct Digest
{
	unsigned char bytes[DIGEST_SIZE];
} Digest;

/* Returns the digest of a text. Exits if out of memory. */
extern Digest digest_of(const char *text, size_t length);

/* Returns the digest of a pair of texts, in which their boundary counts. Exits if out of memory. */
extern Digest digest_of_two(const char *first, size_t first_length, const char *second, size_t second_length);

/* Writes a digest in the format of bytea, without a NUL. */
extern void digest_to_hex(const Digest *digest, char hex[DIGEST_HEX_SIZE]);

/* The digest that was written so; zeros if the text is of another length. */
extern Digest digest_of_hex(const char *hex);

#endif
