/*
 * es_stray_rows.h
 *	  Rows of other databases' indexes, and of chats that are gone: see es_stray_rows.c.
 */
#ifndef PG_CHAT_ES_STRAY_ROWS_H
#define PG_CHAT_ES_STRAY_ROWS_H

extern void es_stray_rows_delete(void);
extern void es_stray_rows_delete_next(int32 index);

#endif							/* PG_CHAT_ES_STRAY_ROWS_H */
