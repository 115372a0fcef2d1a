/*
 * exports.h
 *		Exports: results that are larger than memory, read page by page.
 *
 * Each has a session of its own from its begin to its end, and there are as many at a time
 * as the settings say, of one application half of these: so no other statement waits for an
 * export. The session holds a cursor WITH HOLD. PostgreSQL collects its rows at once, by one
 * snapshot, and keeps them in a temporary file; after that no snapshot and no transaction is
 * there, however slowly a client takes the pages.
 */
#ifndef CHATD_EXPORTS_H
#define CHATD_EXPORTS_H

#include "db/query.h"

typedef struct Export Export;

/*
 * Opens an export by a query of OPEN_EXPORT. The query succeeds with one row, the bytes of all
 * pages, or fails. Returns NULL, and the query has failed, if there are too many exports.
 * wanted is asked once a second meanwhile; if it says no, the query fails.
 */
extern Export *export_open(Query *query, bool (*wanted) (Query *query));

/*
 * Reads the next page: take is called with it, or with NULL if that has failed, and not before
 * this returns. One page at a time is read.
 */
extern void export_read(Export *export, void (*take) (void *owner, const char *page, size_t length), void *owner);

/* Ends an export that is open; nothing is called any more. */
extern void export_close(Export *export);

/* In each iteration of the loop: sends what is to be sent, and ends sessions. */
extern void exports_run(void);

/* Once a second: ends exports whose server does not respond, or that nobody wants any more. */
extern void exports_tick(void);

/* Ends all exports. */
extern void exports_close(void);

#endif
