/*
 * kept_answer.c
 *		An answer of the database that is used for a while.
 *
 * What looks at all that there is takes longer the more there is. So its answer is used for a second at
 * least, and for many times as long as it took: however often it is asked for, that takes a small part of one
 * session, and of a processor. One that took long for once, as the first of a session does, is not used for
 * longer than others. That the database has failed is kept for as long as it took to fail.
 */
#include <stdlib.h>

#include "api/kept_answer.h"
#include "common/loop.h"

#define SHORTEST 1000			/* period, ms */
#define REST 50					/* times for which it took */

bool
kept_answer_use(KeptAnswer *kept)
{
	if (loop_now() < kept->until)
		return true;
	kept->until = loop_now() + kept->period;
	return false;
}

void
kept_answer_put(KeptAnswer *kept, char *text, uint64_t took)
{
	free(kept->text);
	kept->text = text;
	kept->period = text ? (took < kept->took ? took : kept->took) * REST : took;
	if (kept->period < SHORTEST)
		kept->period = SHORTEST;
	if (text)
		kept->took = took;
	kept->put_at = loop_now();
	kept->until = loop_now() + kept->period;
}
