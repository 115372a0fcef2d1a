/*
 * fields.h
 *		The fields of a request's body, sent as JSON or as a form.
 */
#ifndef CHATD_FIELDS_H
#define CHATD_FIELDS_H

#include "http/request.h"

/*
 * Parses the body into request->fields, an object. Returns false if it cannot
 * be understood, with the request answered.
 */
extern bool fields_read(Request *request);

/*
 * Finds a text that must be there. A fault is added to request->faults, and
 * NULL returned. The text belongs to request->fields and ends in a NUL.
 */
extern const char *fields_text(Request *request, const char *name, size_t *length);

/*
 * Finds a number that may be there; 0 if not. A fault is added to
 * request->faults.
 */
extern int	fields_number(Request *request, const char *name);

#endif
