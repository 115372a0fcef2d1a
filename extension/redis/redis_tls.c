/*
 * redis_tls.c
 *	  TLS of the connection to Redis, if hiredis supports it.
 *
 * hiredis can verify who issued a certificate, but not which host it is for:
 * so TLS is set up here. The authorities are OpenSSL's own, which
 * SSL_CERT_FILE in the server's environment can replace.
 */
#include "postgres.h"

#ifdef CHAT_REDIS_TLS

#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "storage/latch.h"

#include "redis/redis_tls.h"

/* The text of OpenSSL's last error. */
static const char *
openssl_problem(void)
{
	const char *reason = ERR_reason_error_string(ERR_get_error());

	return reason != NULL ? reason : "the connection ended";
}

/*
 * Create a TLS 1.2 (or higher) connection that requires a certificate for this
 * host, by name or address.
 */
static SSL *
new_tls(const char *host)
{
	SSL_CTX    *context = SSL_CTX_new(TLS_client_method());
	SSL		   *tls = NULL;

	if (context != NULL &&
		SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
		SSL_CTX_set_default_verify_paths(context) == 1)
	{
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
		tls = SSL_new(context);
	}
	SSL_CTX_free(context);		/* tls keeps a reference to it */
	if (tls != NULL &&
		(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1 ||
		 (SSL_set1_host(tls, host) == 1 && SSL_set_tlsext_host_name(tls, host) == 1)))
		return tls;
	SSL_free(tls);
	return NULL;
}

/*
 * Begin TLS on a new connection, which owns the result; redis_tls_go_on() must
 * follow. Returns NULL and sets *problem on failure.
 */
SSL *
redis_tls_begin(redisContext *connection, const char *host, const char **problem)
{
	SSL		   *tls;

	ERR_clear_error();
	tls = new_tls(host);
	if (tls == NULL)
	{
		*problem = openssl_problem();
		return NULL;
	}
	if (redisInitiateSSL(connection, tls) != REDIS_OK)
	{
		SSL_free(tls);
		*problem = connection->errstr;
		return NULL;
	}
	return tls;
}

/*
 * Continue the handshake. Returns the events for which the socket must be ready
 * before this is called again, or 0 when it is done. It is also done if it
 * failed, as when the server's certificate is not trusted; *problem is then
 * set, and NULL otherwise.
 */
uint32
redis_tls_go_on(SSL *tls, const char **problem)
{
	int			result;

	*problem = NULL;
	ERR_clear_error();
	result = SSL_do_handshake(tls);
	if (result == 1)
		return 0;
	switch (SSL_get_error(tls, result))
	{
		case SSL_ERROR_WANT_READ:
			return WL_SOCKET_READABLE;
		case SSL_ERROR_WANT_WRITE:
			return WL_SOCKET_WRITEABLE;
	}
	if (SSL_get_verify_result(tls) != X509_V_OK)
		*problem = X509_verify_cert_error_string(SSL_get_verify_result(tls));
	else
		*problem = openssl_problem();
	return 0;
}

#endif							/* CHAT_REDIS_TLS */
