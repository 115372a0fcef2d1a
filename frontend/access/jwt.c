/*
 * jwt.c
 *		Tokens that an application has signed for its users: JWT, RFC 7519.
 *
 * A token consists of three texts in base64url, separated by dots: a header,
 * which names the key (kid), the claims, and the signature of both. Claims are
 * read only after the signature has been verified. The algorithm in the header
 * must be the one of the key. Other members of the header, such as keys and
 * URLs of keys, are ignored, except for "crit", which demands to be
 * understood: such a token is refused.
 *
 * Claims: sub, the user; exp, and optionally nbf; chats, an array of numbers,
 * or "all"; scope, of which the words read and write count; aud, optional,
 * which must include pg_chat.
 */
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "access/jwt.h"

#define SIGNATURE_MAX 128

/* Returns the six bits of a character of base64url, or -1 if it is none. */
static int
sextet(char character)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *found = character ? strchr(alphabet, character) : NULL;

	return found ? (int) (found - alphabet) : -1;
}

/*
 * Decodes base64url without padding, and accepts only the canonical encoding.
 * Returns the number of bytes, or -1 if the text is malformed or too long.
 */
static int
decode(const char *text, size_t length, unsigned char *bytes, size_t size)
{
	uint32_t	bits = 0;
	int			bit_count = 0;
	size_t		count = 0;

	if (length % 4 == 1 || length * 3 / 4 > size)
		return -1;
	for (size_t i = 0; i < length; i++)
	{
		int			value = sextet(text[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t) value;
		bit_count += 6;
		if (bit_count >= 8)
		{
			bit_count -= 8;
			bytes[count++] = (unsigned char) (bits >> bit_count);
		}
	}
	return bits & ((1u << bit_count) - 1) ? -1 : (int) count;
}

/* Decodes a JSON object; returns NULL if it is not one, or has duplicate members. */
static json_t *
decode_object(const char *text, size_t length)
{
	unsigned char bytes[JWT_MAX];
	int			count = decode(text, length, bytes, sizeof(bytes));
	json_t	   *value = count < 0 ? NULL : json_loadb((const char *) bytes, (size_t) count, JSON_REJECT_DUPLICATES, NULL);

	if (value && !json_is_object(value))
	{
		json_decref(value);
		value = NULL;
	}
	return value;
}

/* Copies a string of 1 to size - 1 printable ASCII characters. */
static bool
copy_name(const json_t *value, char *name, size_t size)
{
	const char *text = json_string_value(value);
	size_t		length = json_string_length(value);

	if (text == NULL || length == 0 || length >= size)
		return false;
	for (size_t i = 0; i < length; i++)
		if (text[i] < 0x21 || text[i] > 0x7e)
			return false;
	memcpy(name, text, length + 1);
	return true;
}

static const char *
read_header(const json_t *header, Jwt *jwt)
{
	const json_t *type = json_object_get(header, "typ");

	if (json_object_get(header, "crit"))
		return "The token's header has \"crit\", which is not understood.";
	if (type && (!json_is_string(type) || strcasecmp(json_string_value(type), "JWT") != 0))
		return "The token is of another type than JWT.";
	if (!copy_name(json_object_get(header, "alg"), jwt->algorithm, sizeof(jwt->algorithm)))
		return "The token's header has no algorithm.";
	if (!copy_name(json_object_get(header, "kid"), jwt->kid, sizeof(jwt->kid)))
		return "The token's header has no kid.";
	return NULL;
}

const char *
jwt_parse(const char *text, Jwt *jwt)
{
	const char *first = strchr(text, '.');
	const char *second = first ? strchr(first + 1, '.') : NULL;
	json_t	   *header;
	const char *problem;

	if (second == NULL || strchr(second + 1, '.'))
		return "The token is neither a key nor a JWT.";
	*jwt = (Jwt) {
		.text = text,
		.length = strlen(text),
		.header_length = (size_t) (first - text),
		.payload_length = (size_t) (second - first - 1),
	};
	if (jwt->length > JWT_MAX)
		return "The token is too long.";
	header = decode_object(text, jwt->header_length);
	if (header == NULL)
		return "The token's header is malformed.";
	problem = read_header(header, jwt);
	json_decref(header);
	return problem;
}

/* Returns whether the audience of a token includes us, as it does if there is none. */
static bool
is_audience(const json_t *audience)
{
	if (audience == NULL)
		return true;
	if (json_is_string(audience))
		return strcmp(json_string_value(audience), JWT_AUDIENCE) == 0;
	for (size_t i = 0; i < json_array_size(audience); i++)
		if (json_is_string(json_array_get(audience, i)) && is_audience(json_array_get(audience, i)))
			return true;
	return false;
}

static const char *
read_times(const json_t *claims, int64_t now, Grant *grant)
{
	const json_t *expiry = json_object_get(claims, "exp");
	const json_t *begin = json_object_get(claims, "nbf");
	double		end = json_number_value(expiry);

	if (!json_is_number(expiry) || !(end > 0 && end < 1e15))
		return "The token has no time at which it expires.";
	if (end + JWT_LEEWAY <= (double) now)
		return "The token has expired.";
	if (begin && !json_is_number(begin))
		return "The token's nbf is not a number.";
	if (begin && json_number_value(begin) - JWT_LEEWAY > (double) now)
		return "The token is not valid yet.";
	grant->expires_at = (int64_t) end + JWT_LEEWAY;
	return NULL;
}

static const char *
read_user(const json_t *claims, Grant *grant)
{
	const json_t *subject = json_object_get(claims, "sub");
	size_t		length = json_string_length(subject);

	if (!json_is_string(subject) || length == 0 || length > JWT_USER_MAX)
		return "The token has no sub of 1 to 255 bytes.";
	grant->user = strdup(json_string_value(subject));
	return grant->user ? NULL : "Out of memory.";
}

static const char *
read_chats(const json_t *claims, Grant *grant)
{
	const json_t *chats = json_object_get(claims, "chats");
	size_t		count = json_array_size(chats);

	if (json_is_string(chats) && strcmp(json_string_value(chats), "all") == 0)
	{
		grant->all_chats = true;
		return NULL;
	}
	if (!json_is_array(chats) || count > JWT_CHATS_MAX)
		return "The token's chats are neither \"all\" nor an array of up to 1000 numbers.";
	grant->chats = calloc(count + 1, sizeof(int));
	if (grant->chats == NULL)
		return "Out of memory.";
	for (size_t i = 0; i < count; i++)
	{
		const json_t *chat = json_array_get(chats, i);
		json_int_t	number = json_integer_value(chat);

		if (!json_is_integer(chat) || number < 1 || number > INT32_MAX)
			return "The token's chats are neither \"all\" nor an array of up to 1000 numbers.";
		grant->chats[grant->chat_count++] = (int) number;
	}
	grant_sort_chats(grant);
	return NULL;
}

/* Reads the scope of a user, write at most, and read by default. Returns NULL, or what is wrong. */
static const char *
read_scope(const json_t *claims, Grant *grant)
{
	const json_t *scope = json_object_get(claims, "scope");
	const char *word = json_string_value(scope);

	if (scope == NULL)
		grant->scope = SCOPE_READ;
	else if (word == NULL)
		return "The token's scope is not a text.";
	while (word && *word)
	{
		size_t		length = strcspn(word, " ");

		if (length == 5 && memcmp(word, "write", 5) == 0)
			grant->scope = SCOPE_WRITE;
		else if (length == 4 && memcmp(word, "read", 4) == 0 && grant->scope < SCOPE_READ)
			grant->scope = SCOPE_READ;
		word += length + (word[length] == ' ');
	}
	return NULL;
}

static const char *
read_claims(const json_t *claims, int64_t now, Grant *grant)
{
	const char *problem = is_audience(json_object_get(claims, "aud")) ? NULL : "The token is for another audience.";

	if (problem == NULL)
		problem = read_times(claims, now, grant);
	if (problem == NULL)
		problem = read_user(claims, grant);
	if (problem == NULL)
		problem = read_chats(claims, grant);
	if (problem == NULL)
		problem = read_scope(claims, grant);
	return problem;
}

/* Returns whether the signature is valid. */
static bool
is_signed(const Jwt *jwt, const VerificationKey *key)
{
	size_t		signed_length = jwt->header_length + 1 + jwt->payload_length;
	unsigned char signature[SIGNATURE_MAX];
	int			length = decode(jwt->text + signed_length + 1, jwt->length - signed_length - 1, signature, sizeof(signature));

	return length > 0 &&
		verification_key_verifies(key, jwt->algorithm, jwt->text, signed_length, signature, (size_t) length);
}

Grant *
jwt_grant(const Jwt *jwt, const VerificationKey *key, int64_t now, const char **problem)
{
	json_t	   *claims;
	Grant	   *grant;

	*problem = "The token's signature is not of this key.";
	if (!is_signed(jwt, key))
		return NULL;
	*problem = "The token's claims are malformed.";
	claims = decode_object(jwt->text + jwt->header_length + 1, jwt->payload_length);
	if (claims == NULL)
		return NULL;
	grant = grant_new();
	*problem = grant ? read_claims(claims, now, grant) : "Out of memory.";
	json_decref(claims);
	if (*problem)
	{
		grant_release(grant);
		return NULL;
	}
	grant->application = verification_key_application(key);
	return grant;
}
