/*
 * log.h
 *		The log: one line per event on stderr.
 */
#ifndef CHATD_LOG_H
#define CHATD_LOG_H

/*
 * Writes one line with the time and the process. Control characters become spaces or
 * escapes. A line that cannot be written without blocking is lost.
 */
extern void log_event(const char *format,...) __attribute__((format(printf, 1, 2)));

#endif
