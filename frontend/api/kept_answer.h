/*
 * kept_answer.h
 *		An answer of the database that is used for a while.
 */
#ifndef CHATD_KEPT_ANSWER_H
#define CHATD_KEPT_ANSWER_H

#include <stdint.h>

typedef struct KeptAnswer
{
	char	   *text;			/* NULL: there is none */
	uint64_t	until;			/* it is used */
	uint64_t	period;			/* for which it is used, ms */
	uint64_t	took;			/* ms */
} KeptAnswer;

/*
 * The text, while it is to be used; else NULL, and the caller asks the database. Others who come meanwhile get
 * the old one, if there is one, for one period more.
 */
extern const char *kept_answer_use(KeptAnswer *kept);

/* Keeps a text, malloc'ed, which is taken over; NULL: none. It took so many milliseconds. */
extern void kept_answer_put(KeptAnswer *kept, char *text, uint64_t took);

#endif
