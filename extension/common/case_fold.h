/*
 * case_fold.h
 *	  Letter case and white space: see case_fold.c.
 */
#ifndef PG_CHAT_CASE_FOLD_H
#define PG_CHAT_CASE_FOLD_H

#include "postgres.h"

extern text *text_fold(const text *value);
extern bool text_is_blank(const text *value);

#endif							/* PG_CHAT_CASE_FOLD_H */
