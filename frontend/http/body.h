/*
 * body.h
 *		The fields of a request's body, sent as JSON or as a form.
 *
 * An invalid field gets a predicate, such as "can't be blank", in the request's
 * faults. The handler decides when to respond with them.
 */
#ifndef CHATD_BODY_H
#define CHATD_BODY_H

#include "http/request.h"

/*
 * Parses the body into request->fields, an object. If it cannot be parsed,
 * responds and returns false.
 */
extern bool body_read(Request *request);

/*
 * The text of a mandatory field; NULL if the field is invalid. The text belongs
 * to request->fields and is followed by a NUL.
 */
extern const char *body_text(Request *request, const char *name, size_t *length);

/* The number of an optional field; 0 if there is none or it is invalid. */
extern int	body_number(Request *request, const char *name);

/* Responds with 422 and the request's faults. */
extern void respond_invalid_body(Request *request);

#endif
