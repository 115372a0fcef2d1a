/*
 * backend.h
 *	  What stands in for the server where a part of the extension is fuzzed without it: see backend.c.
 */
#ifndef PG_CHAT_FUZZ_BACKEND_H
#define PG_CHAT_FUZZ_BACKEND_H

/* The encoding of the database, which a target sets. */
extern int	fuzz_encoding;

extern void fuzz_free_all(void);

#endif							/* PG_CHAT_FUZZ_BACKEND_H */
