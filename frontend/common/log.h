/*
 * log.h
 *		The log: one line per event on stderr.
 */
#ifndef CHATD_LOG_H
#define CHATD_LOG_H

/*
 * Writes one line with the time and the process. Line breaks and other control
 * characters become spaces. Never fails: a log that cannot be written is lost.
 */
extern void log_event(const char *format,...) __attribute__((format(printf, 1, 2)));

#endif
