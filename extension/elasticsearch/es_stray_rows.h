/*
 * es_stray_rows.h
 *	  Rows about indexes of other databases: see es_stray_rows.c.
 */
#ifndef PG_CHAT_ES_STRAY_ROWS_H
#define PG_CHAT_ES_STRAY_ROWS_H

extern void es_stray_rows_delete(void);

#endif							/* PG_CHAT_ES_STRAY_ROWS_H */
