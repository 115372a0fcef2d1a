/*
 * es_mapping.h
 *	  Whether an index in Elasticsearch is as it was created: see es_mapping.c.
 */
#ifndef PG_CHAT_ES_MAPPING_H
#define PG_CHAT_ES_MAPPING_H

#include "postgres.h"

#include "utils/jsonb.h"

extern bool es_mapping_matches(const JsonbContainer *described);

#endif							/* PG_CHAT_ES_MAPPING_H */
