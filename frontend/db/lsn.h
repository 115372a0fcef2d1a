/*
 * lsn.h
 *		Positions in the write-ahead log, as PostgreSQL writes them: 16/B374D848.
 */
#ifndef CHATD_LSN_H
#define CHATD_LSN_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* The bytes of an LSN's text, with a NUL. */
#define LSN_SIZE sizeof("FFFFFFFF/FFFFFFFF")

/* Parses a text; returns false if it is no LSN. */
extern bool lsn_parse(const char *text, uint64_t *lsn);

/* Writes the text. */
extern void lsn_print(char text[LSN_SIZE], uint64_t lsn);

/* That in the first column of a result; 0: there is none, as after a failure. */
extern uint64_t lsn_of(const PGresult *result);

#endif
