/*
 * jwt.h
 *		Tokens that an application has signed for its users: JWT, RFC 7519.
 */
#ifndef CHATD_JWT_H
#define CHATD_JWT_H

#include "access/grant.h"
#include "access/verification_key.h"

#define JWT_MAX 8192			/* bytes of a token */
#define KID_MAX 64
#define JWT_AUDIENCE "pg_chat"
#define JWT_LEEWAY 5			/* seconds by which clocks may differ */
#define JWT_USER_MAX 255		/* bytes of a user's name */
#define JWT_CHATS_MAX 1000

/* A token before verification, with the fields that select its key. */
typedef struct Jwt
{
	const char *text;
	size_t		length;
	size_t		header_length;	/* header.payload.signature, each encoded */
	size_t		payload_length;
	char		algorithm[16];
	char		kid[KID_MAX + 1];
} Jwt;

/* Parses a token. Returns NULL, or what is wrong with it. */
extern const char *jwt_parse(const char *text, Jwt *jwt);

/*
 * Verifies the signature and the times of a token; now is in seconds since
 * 1970. Returns the grant of the token, or NULL and sets problem.
 */
extern Grant *jwt_grant(const Jwt *jwt, const VerificationKey *key, int64_t now, const char **problem);

#endif
