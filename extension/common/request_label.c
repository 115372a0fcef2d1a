/*
 * request_label.c
 *	  The request that a failed statement of chatd is for, in the server's log.
 *
 * chatd gives each of its statements one parameter more than its text names: a
 * label with the ids of the requests that the statement serves. Such a parameter
 * costs nothing to plan or to execute. If the statement fails, the label is found
 * among the parameters of its portal, and is added to the context of the message,
 * whatever failed: the statement, a trigger of the user's, the commit.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "utils/elog.h"
#include "utils/portal.h"

#include "common/request_label.h"

#define LABEL_PREFIX "X-Request-Id: "
#define LABEL_MAX 1000			/* bytes */

static emit_log_hook_type next_hook;

/* Whether a text is a label: a client may pass anything, and the log is for people. */
static bool
is_label(const char *text, int length)
{
	if (length > LABEL_MAX || length < (int) strlen(LABEL_PREFIX) || strncmp(text, LABEL_PREFIX, strlen(LABEL_PREFIX)) != 0)
		return false;
	for (int i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

/*
 * The label of the statement that is being executed, or NULL. *length becomes
 * its length; it does not end with a NUL.
 */
static const char *
find_label(int *length)
{
	Portal		portal;
	ParamListInfo parameters;
	const ParamExternData *last;
	const text *value;

	/* Portals exist in a backend only, once it has begun to serve its client. */
	if (MyBackendType != B_BACKEND || !IsNormalProcessingMode())
		return NULL;
	portal = GetPortalByName("");
	parameters = PortalIsValid(portal) ? portal->portalParams : NULL;
	if (parameters == NULL || parameters->numParams == 0)
		return NULL;
	last = &parameters->params[parameters->numParams - 1];
	if (last->ptype != TEXTOID || last->isnull)
		return NULL;
	value = (const text *) DatumGetPointer(last->value);
	if (VARATT_IS_EXTENDED(value) && !VARATT_IS_SHORT(value))
		return NULL;
	*length = (int) VARSIZE_ANY_EXHDR(value);
	return is_label(VARDATA_ANY(value), *length) ? VARDATA_ANY(value) : NULL;
}

static void
add_label(ErrorData *error)
{
	const char *label;
	int			length;

	if (next_hook)
		next_hook(error);
	if (!error->output_to_server || error->elevel < WARNING)
		return;
	label = find_label(&length);
	if (label)
		error->context = error->context ? psprintf("%s\n%.*s", error->context, length, label) :
			pnstrdup(label, length);
}

/* Installs the hook for this process. */
void
request_label_init(void)
{
	next_hook = emit_log_hook;
	emit_log_hook = add_label;
}
