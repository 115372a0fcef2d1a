/*
 * application_ids.c
 *	  The sequence of applications' ids.
 *
 * An application that is inserted directly may name its id. The sequence has to
 * go on after it, or the next application would get an id that is taken.
 */
#include "postgres.h"

#include "common/spi_plan.h"
#include "core/application_ids.h"

/*
 * Let ids go on after the highest among rows, which are those of a table with
 * ids of applications, or of a trigger's transition table. The very last integer
 * is passed over, since after it there is no id, and before it there may be.
 *
 * Others may take ids from the sequence at the same time, and it may be set
 * back a little. Then an id that comes from it is taken, which whoever gets it
 * deals with: see application.c. Connected to SPI, as the tables' owner.
 */
void
application_ids_advance(const char *rows)
{
	spi_execute(psprintf("SELECT setval('chat.applications_id_seq', r.highest)"
						 " FROM (SELECT max(id) AS highest FROM %s WHERE id < 2147483647) AS r, chat.applications_id_seq AS s"
						 " WHERE r.highest > s.last_value OR r.highest = s.last_value AND NOT s.is_called",
						 rows));
}
