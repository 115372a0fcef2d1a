/*
 * public_key.c
 *	  Public keys as they are written in files.
 *
 * A file in the format PEM has base64 of a SubjectPublicKeyInfo (RFC 5280) between
 * two lines. Of the two kinds that are known here, each has a beginning and a length
 * of its own: so the key itself says which algorithm it is for, and nothing else is
 * asked. That a point lies on its curve is checked by who verifies with it.
 */
#include "postgres.h"

#include "common/base64.h"
#include "utils/builtins.h"

#include "access/public_key.h"
#include "common/compat.h"

#define PEM_BEGIN "-----BEGIN PUBLIC KEY-----"
#define PEM_END "-----END PUBLIC KEY-----"

/* Bytes of a file, at most. */
#define PEM_MAX 1024

/*
 * A kind of key: how its SubjectPublicKeyInfo begins, and how long it is: id-ecPublicKey
 * with prime256v1 and a point that is not compressed, and id-Ed25519.
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

static void
refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("public_key must be a P-256 or Ed25519 public key in PEM format"),
			 errhint("openssl pkey -in PRIVATE_KEY -pubout prints it, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----."),
			 err_generic_string(PG_DIAG_COLUMN_NAME, "public_key")));
}

/*
 * The base64 between the two lines, without white space; raises 22023 if there is
 * anything else.
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
	content = palloc(end - at + 1);
	for (at += strlen(PEM_BEGIN); at < end; at++)
		if (strchr(" \t\r\n", *at) == NULL)
			content[length++] = *at;
	content[length] = '\0';
	return content;
}

/*
 * Parse a file. Raises 22023 if it is no key of a kind that is known; pem is NULL
 * for none.
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
	pg_unreachable();
}
