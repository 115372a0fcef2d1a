/*
 * guc.h
 *	  The extension's settings, pg_chat.*: see guc.c.
 */
#ifndef PG_CHAT_GUC_H
#define PG_CHAT_GUC_H

extern void guc_init(void);

#endif							/* PG_CHAT_GUC_H */
