/*
 * digest.c
 *		SHA-256 digests, which are kept instead of secrets.
 *
 * Secrets are looked up and compared by their digests only. A client cannot
 * choose digests, so the time of a comparison reveals nothing about a secret.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/digest.h"
#include "common/log.h"

static EVP_MD *sha256;
static EVP_MD_CTX *context;

static void
begin(void)
{
	/* Fetched once, because to look up an algorithm costs more than to use it. */
	if (context == NULL)
	{
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
		context = EVP_MD_CTX_new();
	}
	if (sha256 == NULL || context == NULL || !EVP_DigestInit_ex(context, sha256, NULL))
	{
		log_event("OpenSSL has no SHA-256, or no memory");
		exit(1);
	}
}

static Digest
end(void)
{
	Digest		digest;

	EVP_DigestFinal_ex(context, digest.bytes, NULL);
	return digest;
}

Digest
digest_of(const char *text, size_t length)
{
	begin();
	EVP_DigestUpdate(context, text, length);
	return end();
}

Digest
digest_of_two(const char *first, size_t first_length, const char *second, size_t second_length)
{
	begin();
	EVP_DigestUpdate(context, &first_length, sizeof(first_length));
	EVP_DigestUpdate(context, first, first_length);
	EVP_DigestUpdate(context, second, second_length);
	return end();
}

void
digest_to_hex(const Digest *digest, char hex[DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	memcpy(hex, "\\x", 2);
	for (int i = 0; i < DIGEST_SIZE; i++)
	{
		hex[2 + 2 * i] = digits[digest->bytes[i] >> 4];
		hex[3 + 2 * i] = digits[digest->bytes[i] & 15];
	}
}

Digest
digest_of_hex(const char *hex)
{
	Digest		digest = {0};

	for (int i = 0; strlen(hex) == DIGEST_HEX_SIZE && i < DIGEST_SIZE; i++)
		sscanf(hex + 2 + 2 * i, "%2hhx", &digest.bytes[i]);
	return digest;
}
