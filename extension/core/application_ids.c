/*
 * application_ids.c
 *	  The sequence of applications' ids.
 *
 * An application that is inserted directly may have an explicit id. The
 * sequence must then continue after it, or a later application would get an id
 * that is taken.
 */
#include "postgres.h"

#include "common/spi_plan.h"
#include "core/application_ids.h"

/*
 * Advance the sequence beyond the highest id in rows, which names a table with
 * a column id, or a trigger's transition table. The very last integer is passed
 * over, since there may be free ids below it but none above. Connected to SPI,
 * as the tables' owner.
 *
 * Others may take ids from the sequence at the same time, and it may be set
 * back a little. An id from it may then be taken, which application.c handles.
 */
void
application_ids_advance(const char *rows)
{
	spi_execute(psprintf("SELECT setval('chat.applications_id_seq', r.highest)"
						 " FROM (SELECT max(id) AS highest FROM %s WHERE id < 2147483647) AS r, chat.applications_id_seq AS s"
						 " WHERE r.highest > s.last_value OR r.highest = s.last_value AND NOT s.is_called",
						 rows));
}
