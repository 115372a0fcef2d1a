/*
 * json_read.c
 *	  JSON from servers that are not trusted.
 *
 * PostgreSQL's own parser does the work. It allocates hundreds of bytes for a
 * value that takes two in the text, and recurses into nested ones. So a text is
 * scanned first, without allocating anything: one that nests too deeply, or has
 * too many values, is not parsed.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "common/json_read.h"

/*
 * The bounds. An answer has 75,000 values at most, and nests ten levels deep,
 * except for an error that has others as its causes.
 */
#define DEPTH_MAX 64
#define VALUES_MAX 250000

/* Bytes that are scanned between two looks at whether to go on. */
#define SCAN_INTERVAL (1024 * 1024)

/*
 * Whether a text is within the bounds; if not, *problem says so. Counts what
 * begins or separates values: no fewer than there are.
 */
static bool
is_within_bounds(const char *text, int length, const char **problem)
{
	bool		in_string = false;
	int			depth = 0;
	int			values = 0;

	for (int i = 0; i < length; i++)
	{
		if (i % SCAN_INTERVAL == 0)
			CHECK_FOR_INTERRUPTS();
		if (in_string)
		{
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
			continue;
		}
		switch (text[i])
		{
			case '"':
				in_string = true;
				break;
			case '{':
			case '[':
				depth++;
				values++;
				break;
			case '}':
			case ']':
				depth--;
				break;
			case ',':
			case ':':
				values++;
				break;
		}
		if (depth > DEPTH_MAX || values > VALUES_MAX)
		{
			*problem = depth > DEPTH_MAX ? "nests too deeply" : "has too many values";
			return false;
		}
	}
	return true;
}

/*
 * The text as the parser may be given it: only a database in UTF-8 can take it
 * as it is. In others, what is not ASCII becomes a question mark: it stands in
 * texts for people alone. NULL if it is not a string of UTF-8.
 */
static char *
convert(const char *text, int length)
{
	char	   *converted;

	if (memchr(text, '\0', length) != NULL)
		return NULL;
	if (GetDatabaseEncoding() == PG_UTF8)
		return pg_verifymbstr(text, length, true) ? pnstrdup(text, length) : NULL;
	converted = pnstrdup(text, length);
	for (char *byte = converted; *byte; byte++)
		if (IS_HIGHBIT_SET(*byte))
			*byte = '?';
	return converted;
}

/* End an error about the text. Raises any other again, such as an interruption. */
static void
end_error(MemoryContext caller)
{
	ErrorData  *error;

	MemoryContextSwitchTo(caller);
	error = CopyErrorData();
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			FlushErrorState();
			FreeErrorData(error);
			return;
		default:
			PG_RE_THROW();
	}
}

/*
 * Parse a text of length bytes, which must be a JSON object. Returns it in the
 * current memory context; or NULL, with a *problem that completes "the text".
 */
Jsonb *
json_parse_object(const char *text, int length, const char **problem)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	Jsonb	   *volatile result = NULL;

	if (!is_within_bounds(text, length, problem))
		return NULL;

	context = AllocSetContextCreate(caller, "pg_chat JSON", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		char	   *converted = convert(text, length);
		Jsonb	   *parsed = converted == NULL ? NULL :
			DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(converted)));

		if (parsed != NULL && JB_ROOT_IS_OBJECT(parsed))
		{
			result = MemoryContextAlloc(caller, VARSIZE(parsed));
			memcpy(result, parsed, VARSIZE(parsed));
		}
	}
	PG_CATCH();
	{
		end_error(caller);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	if (result == NULL)
		*problem = "is not JSON";
	return result;
}

/* The member of an object, or NULL. */
JsonbValue *
json_member(const JsonbContainer *container, const char *key)
{
	if (container == NULL || !JsonContainerIsObject(container))
		return NULL;
	return getKeyJsonValueFromContainer((JsonbContainer *) container, key, strlen(key), NULL);
}

/* Element i of an array, from 0, or NULL. */
JsonbValue *
json_element(const JsonbContainer *container, uint32 i)
{
	if (container == NULL || !JsonContainerIsArray(container))
		return NULL;
	return getIthJsonbValueFromContainer((JsonbContainer *) container, i);
}

/* An array's elements or an object's members; NULL if the value is neither. */
const JsonbContainer *
json_container(const JsonbValue *value)
{
	return value != NULL && value->type == jbvBinary ? value->val.binary.data : NULL;
}

/* Set *result to the value. Returns false if it is not an integer that fits. */
bool
json_integer(const JsonbValue *value, int64 *result)
{
	char	   *digits;
	char	   *end;
	bool		fits;

	if (value == NULL || value->type != jbvNumeric)
		return false;
	digits = DatumGetCString(DirectFunctionCall1(numeric_out,
												 NumericGetDatum(value->val.numeric)));
	errno = 0;
	*result = strtoll(digits, &end, 10);
	if (*end == '.')			/* an aggregation has 1.0 for 1 */
		end += 1 + strspn(end + 1, "0");
	fits = errno == 0 && *end == '\0';
	pfree(digits);
	return fits;
}

bool
json_is_true(const JsonbValue *value)
{
	return value != NULL && value->type == jbvBool && value->val.boolean;
}

bool
json_is_false(const JsonbValue *value)
{
	return value != NULL && value->type == jbvBool && !value->val.boolean;
}

/* The value, NUL-terminated, in the current memory context; NULL if it is no string. */
char *
json_string(const JsonbValue *value)
{
	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}
