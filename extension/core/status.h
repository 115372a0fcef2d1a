/*
 * status.h
 *	  The rows of the status views: see status.c.
 */
#ifndef PG_CHAT_STATUS_H
#define PG_CHAT_STATUS_H

#include "postgres.h"

extern char *status_of_index(int32 index);

#endif							/* PG_CHAT_STATUS_H */
