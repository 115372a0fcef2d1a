/*
 * body.h
 *		The body of a request: its fields, sent as JSON or as a form.
 *
 * The route names the fields that its handler wants. The body is parsed as it
 * arrives, only these fields are kept, and they are freed with the response.
 *
 * An invalid field gets a predicate, such as "can't be blank", in the request's
 * faults. The handler decides when to respond with them.
 */
#ifndef CHATD_BODY_H
#define CHATD_BODY_H

#include "http/request.h"

/* Takes a piece of the body. Responds on an error. */
extern void body_take(Request *request, const char *bytes, size_t length);

/* Ends the body. Responds on an error. */
extern void body_end(Request *request);

/* Frees the parser, but not the fields. */
extern void body_reader_free(Request *request);

/*
 * The text of a mandatory field; NULL, and a fault is added, if the field is missing or
 * invalid. The text belongs to request->fields and is followed by a NUL.
 */
extern const char *body_text(Request *request, const char *name, size_t *length);

/* The number of an optional field; 0 if it is missing, or invalid, when a fault is added. */
extern int	body_number(Request *request, const char *name);

/* The number, from 0 on, of a mandatory field; 0, and a fault is added, if it is missing or invalid. */
extern int	body_count(Request *request, const char *name);

/* Is an optional field true? If it is neither that nor false, a fault is added. */
extern bool body_flag(Request *request, const char *name);

/* Is any field invalid that was asked for so far? */
extern bool body_is_invalid(const Request *request);

/* Responds with 422 and the request's faults, by field. */
extern void respond_invalid_body(Request *request);

#endif
