/*
 * redis_tls.c
 *	  TLS of the connection to Redis, where hiredis can speak it.
 *
 * hiredis can verify whom a certificate is from, but not whom it is for: so
 * what the two sides agree on is set up here. The authorities are OpenSSL's
 * own, which SSL_CERT_FILE in the server's environment can replace.
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

/* What OpenSSL says went wrong. */
static const char *
openssl_problem(void)
{
	const char *reason = ERR_reason_error_string(ERR_get_error());

	return reason != NULL ? reason : "the connection ended";
}

/* TLS 1.2 or higher, with a certificate for this host, by name or address. */
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
	SSL_CTX_free(context);		/* tls keeps it as long as it needs it */
	if (tls != NULL &&
		(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1 ||
		 (SSL_set1_host(tls, host) == 1 && SSL_set_tlsext_host_name(tls, host) == 1)))
		return tls;
	SSL_free(tls);
	return NULL;
}

/*
 * Begin to speak TLS on a new connection, which owns what is returned;
 * redis_tls_go_on must follow. Returns NULL and sets *problem if it cannot.
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
 * Go on with the handshake. Returns what the socket must be ready for, to call
 * this again, or 0 when it is done. It is done, too, when it failed, as where the
 * server's certificate is not to be trusted; then *problem is set, or else NULL.
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
