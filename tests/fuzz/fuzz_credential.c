/*
 * fuzz_credential.c
 *		What a client says of itself: the header Authorization, the tokens in it, and
 *		what gateways say of where it is from.
 *
 * The first byte says what an input is. 0: a header and claims of a token, with a zero
 * byte between them; they are encoded and signed here, so that the claims are looked
 * at. 1: the header Forwarded, and 2: X-Forwarded-For. Any other: Authorization, in
 * which nobody but the owner of the keys can have a token that counts.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "request.h"

#include "access/client_address.h"
#include "access/credential.h"
#include "common/settings.h"

#define NOW 1800000000
#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ED25519_DER "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00" \
	"\x19\xbf\x44\x09\x69\x84\xcd\xfe\x85\x41\xba\xc1\x67\xdc\x3b\x96\xc8\x50\x86\xaa\x30\xb6\xb6\xcb\x0c\x5c\x38\xad\x70\x31\x66\xe1"

static VerificationKey *keys[2];

static void
make_keys(void)
{
	if (keys[0])
		return;
	keys[0] = verification_key_new("HS256", (const unsigned char *) SECRET, strlen(SECRET));
	keys[1] = verification_key_new("EdDSA", (const unsigned char *) ED25519_DER, sizeof(ED25519_DER) - 1);
	assert(keys[0] && keys[1]);
}

/* Check what holds for every grant. */
static void
check_grant(Grant *grant)
{
	assert(grant->user && *grant->user && strlen(grant->user) <= JWT_USER_MAX);
	assert(grant->scope <= SCOPE_WRITE && grant->key == 0);
	assert(grant->expires_at > NOW);
	assert(grant->chat_count <= JWT_CHATS_MAX && !(grant->all_chats && grant->chat_count));
	for (int i = 0; i < grant->chat_count; i++)
	{
		assert(grant->chats[i] >= 1 && grant_has_chat(grant, grant->chats[i]));
		assert(i == 0 || grant->chats[i] >= grant->chats[i - 1]);
	}
	assert(grant->all_chats || !grant_has_chat(grant, 0));
	grant_release(grant);
}

/* Appends bytes in base64url. Returns the end. */
static char *
append_encoded(char *text, const unsigned char *bytes, size_t length)
{
	int			count = EVP_EncodeBlock((unsigned char *) text, bytes, (int) length);

	while (count > 0 && text[count - 1] == '=')
		count--;
	for (int i = 0; i < count; i++)
		text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
	return text + count;
}

static char *
sign(const unsigned char *data, size_t size)
{
	const unsigned char *claims = memchr(data, '\0', size);
	char	   *text = malloc(2 * size + 128);
	char	   *end = text;
	unsigned char signature[EVP_MAX_MD_SIZE];
	unsigned	length;

	assert(text);
	if (claims == NULL)
		claims = data + size;
	end = append_encoded(end, data, claims - data);
	*end++ = '.';
	if (claims < data + size)
		end = append_encoded(end, claims + 1, data + size - claims - 1);
	HMAC(EVP_sha256(), SECRET, (int) strlen(SECRET), (unsigned char *) text, end - text, signature, &length);
	*end++ = '.';
	end = append_encoded(end, signature, length);
	*end = '\0';
	return text;
}

/* Read a credential, and check that it has the form of one. */
static const char *
read_authorization(const char *value)
{
	Visit		visit = {0};

	visit.request.headers.authorization = value;
	if (!credential_read(&visit))
	{
		assert(visit.credential == NULL);
		return NULL;
	}
	assert(*visit.credential && visit.credential[-1] == ' ' && strcasestr(value, "bearer ") == value);
	/* No white space, control or separator. */
	for (const char *at = visit.credential; *at; at++)
		assert((unsigned char) *at > ' ' && (unsigned char) *at < 0x7f && !strchr("\"',;\\()<>@[]{}?", *at));
	return visit.credential;
}

static void
try_token(const char *text, bool ours)
{
	Jwt			jwt;
	const char *problem = jwt_parse(text, &jwt);

	for (int i = 0; problem == NULL && i < 2; i++)
	{
		const char *why;
		Grant	   *grant = jwt_grant(&jwt, keys[i], NOW, &why);

		assert((grant != NULL) == (why == NULL));
		if (grant)
		{
			assert(ours && i == 0);
			check_grant(grant);
		}
	}
}

static const char *forwarded_name;
static const char *forwarded;
static struct sockaddr_in peer = {.sin_family = AF_INET};
static union MHD_ConnectionInfo information = {.client_addr = (struct sockaddr *) &peer};

int
MHD_get_connection_values_n(struct MHD_Connection *connection, enum MHD_ValueKind kind,
							MHD_KeyValueIteratorN iterator, void *owner)
{
	(void) connection;
	iterator(owner, kind, forwarded_name, strlen(forwarded_name), forwarded, strlen(forwarded));
	return 1;
}

const union MHD_ConnectionInfo *
MHD_get_connection_info(struct MHD_Connection *connection, enum MHD_ConnectionInfoType type, ...)
{
	(void) connection;
	assert(type == MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	return &information;
}

/* The address is one that stands in the header, or the connection's own. */
static void
follow_forwarded(const char *name, const char *value)
{
	Request		request = {0};
	struct in6_addr address;

	if (settings.trusted_proxies == NULL)
	{
		settings.trusted_proxies = "127.0.0.1, 10.0.0.0/8";
		assert(client_addresses_read() == NULL);
	}
	peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	forwarded_name = name;
	forwarded = value;
	address = client_address(&request);
	assert(*value || (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127));
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	int			kind = size > 0 && data[0] <= 2 ? data[0] : -1;
	char	   *text = kind == 0 ? sign(data + 1, size - 1) : strndup((const char *) data + (kind > 0), size - (kind > 0));
	const char *credential;

	make_keys();
	assert(text);
	if (kind == 0)
		try_token(text, true);
	else if (kind > 0)
		follow_forwarded(kind == 1 ? "Forwarded" : "X-Forwarded-For", text);
	else if ((credential = read_authorization(text)) != NULL)
		try_token(credential, false);
	free(text);
	return 0;
}
