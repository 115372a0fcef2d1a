/*
 * log.h
 *		Events on stderr, one line each.
 */
#ifndef CHATD_LOG_H
#define CHATD_LOG_H

/* Writes one line; what is a line break in the text becomes a space. */
extern void log_event(const char *format,...) __attribute__((format(printf, 1, 2)));

/*
 * Writes a path of the API into a buffer with its token cut to the first six
 * characters, since who knows a token may write.
 */
extern void log_shorten_path(const char *path, char *buffer, unsigned size);

#endif
