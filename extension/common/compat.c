/*
 * compat.c
 *	  Differences between versions of PostgreSQL that take more than a macro.
 */
#include "postgres.h"

#include "common/compat.h"

#if PG_VERSION_NUM >= 150000
static shmem_request_hook_type previous_request_hook = NULL;
static void (*request_function) (void) = NULL;

static void
compat_request_hook(void)
{
	if (previous_request_hook)
		previous_request_hook();
	request_function();
}

/*
 * Register a function that requests shared memory. Called once, while libraries
 * are preloaded.
 */
void
compat_request_shared_memory(void (*request) (void))
{
	request_function = request;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = compat_request_hook;
}
#endif
