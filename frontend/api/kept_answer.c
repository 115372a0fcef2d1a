/*
 * kept_answer.c
 *		An answer of the database that is used for a while.
 *
 * What looks at all that there is takes longer the more there is. So its answer is used for a second at
 * least, and for many times as long as it took: however often it is asked for, that takes a small part of one
 * session, and of a processor. One that took long for once, as the first of a session does, is not used for
 * longer than others.
 */
#include <stdlib.h>

#include "api/kept_answer.h"
#include "common/loop.h"

#define SHORTEST 1000			/* period, ms */
#define REST 50					/* times for which it took */

const char *
kept_answer_use(KeptAnswer *kept)
{
	if (kept->text && loop_now() < kept->until)
		return kept->text;
	kept->until = loop_now() + kept->period;
	return NULL;
}

void
kept_answer_put(KeptAnswer *kept, char *text, uint64_t took)
{
	free(kept->text);
	kept->text = text;
	kept->period = (took < kept->took ? took : kept->took) * REST;
	if (kept->period < SHORTEST)
		kept->period = SHORTEST;
	kept->took = took;
	kept->until = loop_now() + kept->period;
}
