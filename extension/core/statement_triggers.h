/*
 * statement_triggers.h
 *	  Statements that change the tables by other ways than the functions: see
 *	  statement_triggers.c.
 */
#ifndef PG_CHAT_STATEMENT_TRIGGERS_H
#define PG_CHAT_STATEMENT_TRIGGERS_H

extern void statement_triggers_init(void);

#endif							/* PG_CHAT_STATEMENT_TRIGGERS_H */
