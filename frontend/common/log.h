/*
 * log.h
 *		The log: one line per event on stderr.
 */
#ifndef CHATD_LOG_H
#define CHATD_LOG_H

#define LOG_TIME_SIZE sizeof("2026-11-23T01:48:35.163Z")

/*
 * Writes a line as it is, such as one of JSON. It must have no control characters, and no more
 * than 4095 bytes. A line that cannot be written without blocking is lost.
 */
extern void log_line(const char *line);

/* The time of UTC, as RFC 3339 has it. */
extern void log_time(char time[LOG_TIME_SIZE]);

/*
 * Writes one line with the time and the process. Control characters become spaces or
 * escapes. A line that cannot be written without blocking is lost.
 */
extern void log_event(const char *format,...) __attribute__((format(printf, 1, 2)));

#endif
