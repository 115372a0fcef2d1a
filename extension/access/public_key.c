/*
 * public_key.c
 *	  Public keys in PEM format.
 *
 * A file has the base64 of a SubjectPublicKeyInfo (RFC 5280) between two
 * lines. Each of the two supported kinds has its own prefix and length, so the
 * key itself determines the algorithm. Servers that verify signatures also
 * check that the point is on its curve.
 */
#include "postgres.h"

#include "common/base64.h"
#include "utils/builtins.h"

#include "access/public_key.h"
#include "common/compat.h"

#define PEM_BEGIN "-----BEGIN PUBLIC KEY-----"
#define PEM_END "-----END PUBLIC KEY-----"

/* Maximum size of a file, in bytes. */
#define PEM_MAX 1024

/*
 * Kinds of keys: the prefix and the length of their SubjectPublicKeyInfo. ES256
 * has id-ecPublicKey with prime256v1 and an uncompressed point, EdDSA has
 * id-Ed25519.
 */
static const struct
{
	const char *algorithm;
	int			length;
	int			prefix_length;
	const char *prefix;
}			kinds[] = {

	{"ES256", 91, 27,
	"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04"},
	{"EdDSA", 44, 12, "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"}
};

/* Raise 22023. */
static void refuse(void) __attribute__((noreturn));

static void
refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("public_key must be a P-256 or Ed25519 public key in PEM format"),
			 errhint("openssl pkey -in PRIVATE_KEY -pubout prints it, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----."),
			 err_generic_string(PG_DIAG_COLUMN_NAME, "public_key")));
	pg_unreachable();
}

/*
 * Returns the base64 between the two lines, without white space. Raises 22023
 * if the file has no such lines.
 */
static char *
pem_content(const char *pem)
{
	const char *at = strstr(pem, PEM_BEGIN);
	const char *end = at == NULL ? NULL : strstr(at, PEM_END);
	char	   *content;
	int			length = 0;

	if (end == NULL)
		refuse();
	content = palloc(strlen(pem) + 1);
	for (at += strlen(PEM_BEGIN); at < end; at++)
		if (strchr(" \t\r\n", *at) == NULL)
			content[length++] = *at;
	content[length] = '\0';
	return content;
}

/*
 * Parse a file; NULL is an invalid one. Raises 22023 if it is not a key of a
 * supported kind.
 */
PublicKey
public_key_parse(const text *pem)
{
	char	   *content;
	bytea	   *der;
	int			length;

	if (pem == NULL || VARSIZE_ANY_EXHDR(pem) > PEM_MAX)
		refuse();
	content = pem_content(text_to_cstring(pem));
	length = pg_b64_dec_len(strlen(content));
	der = palloc(VARHDRSZ + length);
	length = pg_b64_decode(content, strlen(content), (void *) VARDATA(der), length);
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (length != kinds[i].length || memcmp(VARDATA(der), kinds[i].prefix, kinds[i].prefix_length) != 0)
			continue;
		SET_VARSIZE(der, VARHDRSZ + length);
		return (PublicKey) {kinds[i].algorithm, der};
	}
	refuse();
}
