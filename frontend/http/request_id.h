/*
 * request_id.h
 *		The id of a request, which is in its response and in the logs.
 */
#ifndef CHATD_REQUEST_ID_H
#define CHATD_REQUEST_ID_H

#define REQUEST_ID_HEADER "X-Request-Id"
#define REQUEST_ID_MAX 64		/* characters */

/* An id, which ends with a NUL. */
typedef struct RequestId
{
	char		text[REQUEST_ID_MAX + 1];
} RequestId;

/* Makes an id, of 16 hexadecimal digits. */
extern void request_id_make(RequestId *id);

/*
 * Takes over the id that the client has sent, if it is one: up to 64 letters, digits and
 * characters of -_.:+/=@. Else the id stays as it is. sent may be NULL.
 */
extern void request_id_take(RequestId *id, const char *sent);

#endif
