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

#include "redis/redis_connection.h"
#include "redis/redis_tls.h"

static const char tls_failed[] = "could not speak TLS to";

/* Raise what OpenSSL says went wrong. */
static void raise_openssl(void) __attribute__((noreturn));

static void
raise_openssl(void)
{
	const char *reason = ERR_reason_error_string(ERR_get_error());

	redis_raise(tls_failed, reason != NULL ? reason : "the connection ended");
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
 * Speak TLS on a new connection, which owns what is returned, from now on.
 * redis_tls_go_on must follow. Raises 08006.
 */
SSL *
redis_tls_begin(redisContext *connection, const char *host)
{
	SSL		   *tls;

	ERR_clear_error();
	tls = new_tls(host);
	if (tls == NULL)
		raise_openssl();
	if (redisInitiateSSL(connection, tls) != REDIS_OK)
	{
		SSL_free(tls);
		redis_raise(tls_failed, connection->errstr);
	}
	return tls;
}

/*
 * Go on with the handshake. Returns what the socket must be ready for, to call
 * this again, or 0 when it is done. Raises 08006 if it failed, as where the
 * server's certificate is not to be trusted.
 */
uint32
redis_tls_go_on(SSL *tls)
{
	int			result;

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
		redis_raise(tls_failed, X509_verify_cert_error_string(SSL_get_verify_result(tls)));
	raise_openssl();
}

#endif							/* CHAT_REDIS_TLS */
