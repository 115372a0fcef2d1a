/*
 * worker_version.h
 *	  Whether the worker's library fits the schema: see worker_version.c.
 */
#ifndef PG_CHAT_WORKER_VERSION_H
#define PG_CHAT_WORKER_VERSION_H

extern bool worker_version_fits(void);

#endif							/* PG_CHAT_WORKER_VERSION_H */
