/*
 * application_ids.h
 *	  The sequence of applications' ids: see application_ids.c.
 */
#ifndef PG_CHAT_APPLICATION_IDS_H
#define PG_CHAT_APPLICATION_IDS_H

#include "postgres.h"

extern void application_ids_advance(const char *rows);

#endif							/* PG_CHAT_APPLICATION_IDS_H */
