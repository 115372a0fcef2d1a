/*
 * es_stray_rows.h
 *	  Rows of indexes that are not this database's: see es_stray_rows.c.
 */
#ifndef PG_CHAT_ES_STRAY_ROWS_H
#define PG_CHAT_ES_STRAY_ROWS_H

extern void es_stray_rows_delete(void);

#endif							/* PG_CHAT_ES_STRAY_ROWS_H */
