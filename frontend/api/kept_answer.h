/*
 * kept_answer.h
 *		An answer of the database that is used for a while.
 */
#ifndef CHATD_KEPT_ANSWER_H
#define CHATD_KEPT_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct KeptAnswer
{
	char	   *text;			/* NULL: there is none, or the database has failed */
	uint64_t	put_at;			/* when it came */
	uint64_t	until;			/* it is used */
	uint64_t	period;			/* for which it is used, ms */
	uint64_t	took;			/* ms */
} KeptAnswer;

/*
 * Is the answer, or the failure, to be used? If not, the caller asks the database. Others who come meanwhile use
 * the old one, if there is one, for one period more.
 */
extern bool kept_answer_use(KeptAnswer *kept);

/*
 * Keeps a text, malloc'ed, which is taken over; NULL: the database has failed. It took so many milliseconds. A
 * failure is kept for as long as it took, and for a second at least.
 */
extern void kept_answer_put(KeptAnswer *kept, char *text, uint64_t took);

#endif
