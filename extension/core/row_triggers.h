/*
 * row_triggers.h
 *	  Rows that are changed by other ways than the functions: see row_triggers.c.
 */
#ifndef PG_CHAT_ROW_TRIGGERS_H
#define PG_CHAT_ROW_TRIGGERS_H

extern void row_triggers_init(void);

#endif							/* PG_CHAT_ROW_TRIGGERS_H */
