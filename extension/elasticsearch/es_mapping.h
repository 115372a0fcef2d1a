/*
 * index_form.h
 *	  Whether an index in Elasticsearch is as it was created: see index_form.c.
 */
#ifndef PG_CHAT_INDEX_FORM_H
#define PG_CHAT_INDEX_FORM_H

#include "postgres.h"

#include "utils/jsonb.h"

extern bool index_form_is_right(const JsonbContainer *described);

#endif							/* PG_CHAT_INDEX_FORM_H */
