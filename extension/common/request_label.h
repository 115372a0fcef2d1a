/*
 * request_label.h
 *	  The request that a failed statement of chatd is for: see request_label.c.
 */
#ifndef PG_CHAT_REQUEST_LABEL_H
#define PG_CHAT_REQUEST_LABEL_H

#include "postgres.h"

extern void request_label_init(void);

#endif							/* PG_CHAT_REQUEST_LABEL_H */
