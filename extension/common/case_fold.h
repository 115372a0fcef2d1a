/*
 * fold.h
 *	  Letter case and white space: see fold.c.
 */
#ifndef PG_CHAT_FOLD_H
#define PG_CHAT_FOLD_H

#include "postgres.h"

extern text *text_fold(const text *value);
extern bool text_is_blank(const text *value);

#endif							/* PG_CHAT_FOLD_H */
