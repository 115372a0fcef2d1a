/*
 * settings.c
 *	  The extension's settings, pg_chat.*.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "compat.h"
#include "settings.h"

int			settings_max_body_size;

/*
 * Define all settings. Called once, when the library is loaded.
 */
void
settings_define(void)
{
	DefineCustomIntVariable("pg_chat.max_body_size",
							"The longest body of a message.",
							NULL,
							&settings_max_body_size,
							64 * 1024, 1, 16 * 1024 * 1024,
							PGC_SUSET, GUC_UNIT_BYTE,
							NULL, NULL, NULL);

	MarkGUCPrefixReserved("pg_chat");
}
