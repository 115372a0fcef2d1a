/*
 * field_value.h
 *		The values of a body's fields, and what is wrong with them.
 *
 * An invalid field gets a predicate, such as "can't be blank", in faults: an object of JSON
 * that is begun with the first of them. Texts belong to the fields.
 */
#ifndef CHATD_FIELD_VALUE_H
#define CHATD_FIELD_VALUE_H

#include "common/json_writer.h"
#include "http/field.h"

/* Adds a fault of a field. */
extern void fault_add(Json *faults, const char *field, const char *predicate);

/* Is there any? Also if there was no memory for it. */
extern bool fault_any(const Json *faults);

/* The text of a mandatory field, followed by a NUL; NULL, with a fault, if it is missing or invalid. */
extern const char *field_text(Fields *fields, Json *faults, const char *name, size_t *length);

/* The same of an optional field: NULL without a fault if it is missing or null. */
extern const char *field_optional_text(Fields *fields, Json *faults, const char *name, size_t *length);

/* The number of an optional field, from 1 on; 0 if it is missing or null, or invalid, when a fault is added. */
extern int	field_number(Fields *fields, Json *faults, const char *name);

/* The number of a mandatory field, from 0 on; 0, with a fault, if it is missing or invalid. */
extern int	field_count(Fields *fields, Json *faults, const char *name);

/* Is the optional field true? False, with a fault, if it is invalid. */
extern bool field_flag(Fields *fields, Json *faults, const char *name);

/*
 * The time of an optional field, in UTC, as in 2026-01-02T03:04:05.123456Z, as sent; NULL if it
 * is missing or null, or invalid, when a fault is added.
 */
extern const char *field_time(Fields *fields, Json *faults, const char *name, size_t *length);

/* The JSON object of an optional field, as sent; NULL if it is missing or null, or invalid, when a fault is added. */
extern const char *field_object(Fields *fields, Json *faults, const char *name, size_t *length);

/* Is the field there? */
extern bool field_is_given(Fields *fields, const char *name);

/* Is the field missing, or null, or an empty text? */
extern bool field_is_empty(Fields *fields, const char *name);

/* Is the field there, and null? */
extern bool field_is_null(Fields *fields, const char *name);

#endif
