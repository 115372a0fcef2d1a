/*
 * verification_key.c
 *		Keys that verify signatures of applications.
 *
 * OpenSSL does the cryptography. The algorithm of a key comes from the
 * database, not from the token: so a public key is never used as a secret of
 * HS256, and "none" is never accepted.
 */
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "access/verification_key.h"

#define SECRET_MIN 32			/* bytes, RFC 7518 */
#define SIGNATURE_SIZE 64		/* of both kinds of public keys */
#define HALF (SIGNATURE_SIZE / 2)

/* Columns of GET_VERIFICATION_KEYS. */
enum
{
	COLUMN_APPLICATION,
	COLUMN_ALGORITHM,
	COLUMN_MATERIAL				/* hexadecimal digits */
};

typedef enum Algorithm
{
	ALGORITHM_NONE,
	ALGORITHM_HS256,
	ALGORITHM_ES256,
	ALGORITHM_EDDSA
} Algorithm;

struct VerificationKey
{
	Algorithm	algorithm;
	int			application;
	char		digest[DIGEST_HEX_SIZE + 1];
	EVP_PKEY   *public_key;		/* NULL: of HS256, with a secret */
	size_t		secret_length;
	unsigned char secret[];
};

static Algorithm
parse_algorithm(const char *name)
{
	static const char *const names[] = {
		[ALGORITHM_HS256] = "HS256", [ALGORITHM_ES256] = "ES256", [ALGORITHM_EDDSA] = "EdDSA",
	};

	for (Algorithm algorithm = ALGORITHM_HS256; algorithm <= ALGORITHM_EDDSA; algorithm++)
		if (strcmp(names[algorithm], name) == 0)
			return algorithm;
	return ALGORITHM_NONE;
}

/* Returns whether a public key is of the kind that the algorithm needs. */
static bool
public_key_fits(const EVP_PKEY *key, Algorithm algorithm)
{
	char		curve[32] = "";

	if (algorithm == ALGORITHM_EDDSA)
		return EVP_PKEY_is_a(key, "ED25519");
	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) &&
		strcmp(curve, "prime256v1") == 0;
}

VerificationKey *
verification_key_new(const char *algorithm, const unsigned char *material, size_t length)
{
	VerificationKey *key = calloc(1, sizeof(VerificationKey) + length);
	const unsigned char *der = material;

	if (key == NULL)
		return NULL;
	key->algorithm = parse_algorithm(algorithm);
	if (key->algorithm == ALGORITHM_HS256 && length >= SECRET_MIN)
	{
		memcpy(key->secret, material, length);
		key->secret_length = length;
		return key;
	}
	if (key->algorithm > ALGORITHM_HS256)
		key->public_key = d2i_PUBKEY(NULL, &der, (long) length);
	if (key->public_key && der == material + length && public_key_fits(key->public_key, key->algorithm))
		return key;
	verification_key_free(key);
	return NULL;
}

void
verification_key_free(void *value)
{
	VerificationKey *key = value;

	EVP_PKEY_free(key->public_key);
	OPENSSL_cleanse(key->secret, key->secret_length);
	free(key);
}

static void *
read_key(const Rows *rows)
{
	const char *hex = PQgetvalue(rows->result, rows->first, COLUMN_MATERIAL);
	long		length = 0;
	unsigned char *material = *hex ? OPENSSL_malloc(strlen(hex)) : NULL;
	size_t		written = 0;
	VerificationKey *key = NULL;

	if (material && OPENSSL_hexstr2buf_ex(material, strlen(hex), &written, hex, '\0'))
	{
		length = (long) written;
		key = verification_key_new(PQgetvalue(rows->result, rows->first, COLUMN_ALGORITHM), material, length);
	}
	if (key)
	{
		const char *algorithm = PQgetvalue(rows->result, rows->first, COLUMN_ALGORITHM);
		Digest		digest = digest_of_two(algorithm, strlen(algorithm), (const char *) material, length);

		key->application = rows_number(rows, 0, COLUMN_APPLICATION);
		digest_to_hex(&digest, key->digest);
	}
	OPENSSL_clear_free(material, *hex ? strlen(hex) : 0);
	return key;
}

static const FactType key_type = {GET_VERIFICATION_KEYS, read_key, verification_key_free};

static void
ask(const Digest *name, const char *token, size_t length, const char *kid, FactWaiter *waiter)
{
	fact_ask(&key_type, name, &(FactParameters) {
		.first = token, .first_length = length, .second = kid, .second_length = strlen(kid)
	}, waiter);
}

void
verification_key_ask(const char *token, size_t length, const char *kid, FactWaiter *waiter)
{
	Digest		name = digest_of_two(token, length, kid, strlen(kid));

	if (!fact_tell(&key_type, &name, waiter))
		ask(&name, token, length, kid, waiter);
}

void
verification_key_ask_again(const Grant *grant, FactWaiter *waiter)
{
	size_t		length = strlen(grant->token);
	Digest		name = digest_of_two(grant->token, length, grant->kid, strlen(grant->kid));

	ask(&name, grant->token, length, grant->kid, waiter);
}

int
verification_key_application(const VerificationKey *key)
{
	return key->application;
}

const char *
verification_key_digest(const VerificationKey *key)
{
	return key->digest;
}

static bool
verify_secret(const VerificationKey *key, const char *text, size_t length,
			  const unsigned char *signature, size_t signature_length)
{
	unsigned char expected[EVP_MAX_MD_SIZE];
	unsigned	expected_length = 0;

	return HMAC(EVP_sha256(), key->secret, (int) key->secret_length, (const unsigned char *) text, length,
				expected, &expected_length) != NULL &&
		signature_length == expected_length && CRYPTO_memcmp(signature, expected, expected_length) == 0;
}

/* Verifies a signature in the format of OpenSSL; digest is NULL if the algorithm implies it. */
static bool
verify_public(const VerificationKey *key, const EVP_MD *digest, const char *text, size_t length,
			  const unsigned char *signature, size_t signature_length)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool		verified = context &&
		EVP_DigestVerifyInit(context, NULL, digest, NULL, key->public_key) == 1 &&
		EVP_DigestVerify(context, signature, signature_length, (const unsigned char *) text, length) == 1;

	EVP_MD_CTX_free(context);
	return verified;
}

/*
 * Verifies a signature of ES256: JWT has its two numbers side by side, OpenSSL
 * wants them in DER.
 */
static bool
verify_es256(const VerificationKey *key, const char *text, size_t length, const unsigned char *signature)
{
	ECDSA_SIG  *pair = ECDSA_SIG_new();
	BIGNUM	   *r = BN_bin2bn(signature, HALF, NULL);
	BIGNUM	   *s = BN_bin2bn(signature + HALF, HALF, NULL);
	unsigned char *der = NULL;
	int			der_length = 0;
	bool		verified;

	if (pair && r && s && ECDSA_SIG_set0(pair, r, s))
	{
		r = s = NULL;			/* now owned by the pair */
		der_length = i2d_ECDSA_SIG(pair, &der);
	}
	verified = der_length > 0 && verify_public(key, EVP_sha256(), text, length, der, der_length);
	OPENSSL_free(der);
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	return verified;
}

bool
verification_key_verifies(const VerificationKey *key, const char *algorithm, const char *text, size_t length,
						  const unsigned char *signature, size_t signature_length)
{
	if (parse_algorithm(algorithm) != key->algorithm)
		return false;
	if (key->algorithm == ALGORITHM_HS256)
		return verify_secret(key, text, length, signature, signature_length);
	if (signature_length != SIGNATURE_SIZE)
		return false;
	if (key->algorithm == ALGORITHM_ES256)
		return verify_es256(key, text, length, signature);
	return verify_public(key, NULL, text, length, signature, signature_length);
}
