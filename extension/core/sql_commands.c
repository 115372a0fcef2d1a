/*
 * sql_commands.c
 *	  Commands that a query makes.
 *
 * Functions for scripts and administrators execute commands on objects that they
 * find in the catalogs, such as ALTER FUNCTION for each of some functions.
 */
#include "postgres.h"

#include "executor/spi.h"

#include "common/spi_plan.h"
#include "core/sql_commands.h"

/*
 * Execute the commands in the column "command" of a query, as the current user.
 * Returns their number. Raises what they raise.
 */
uint64
sql_commands_execute(const char *query)
{
	char	  **commands;
	uint64		count;

	SPI_connect();
	count = spi_execute(query);
	commands = palloc((count + 1) * sizeof(char *));
	for (uint64 row = 0; row < count; row++)
		commands[row] = spi_result_string(row, spi_column("command"), NULL);
	for (uint64 row = 0; row < count; row++)
		spi_execute(commands[row]);
	SPI_finish();
	return count;
}
