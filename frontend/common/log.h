/*
 * log.h
 *		Events on stderr, one line each.
 */
#ifndef CHATD_LOG_H
#define CHATD_LOG_H

/* Writes one line; what is a line break in the text becomes a space. */
extern void log_event(const char *format,...) __attribute__((format(printf, 1, 2)));

/*
 * Writes a request's target into a buffer, cutting what is or may be a token to
 * its first six characters, wherever it stands, since who knows a token may
 * write.
 */
extern void log_shorten_target(const char *target, char *buffer, unsigned size);

#endif
