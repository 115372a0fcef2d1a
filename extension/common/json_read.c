/*
 * json_read.c
 *	  JSON from servers that are not trusted.
 *
 * PostgreSQL's own parser does the work. It allocates hundreds of bytes for a
 * value that takes two in the text, and recurses into nested ones. So the text
 * is scanned first, without allocating memory, and is not parsed if it nests
 * too deeply or has too many values.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "common/json_read.h"

/*
 * The limits. A legitimate answer has at most 75,000 values and nests ten
 * levels deep, except for an error that has others as its causes.
 */
#define DEPTH_MAX 64
#define VALUES_MAX 250000

/* Bytes that are scanned between two checks for interrupts. */
#define SCAN_INTERVAL (1024 * 1024)

/*
 * Whether a text is within the limits; if not, *problem says so. Counts the
 * characters that begin or separate values, which are no fewer than the values.
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
 * The text in the database's encoding. Unless that is UTF-8, each character
 * outside ASCII becomes a question mark: such characters occur only in texts
 * for people. NULL if the text is not valid UTF-8.
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

/*
 * In a PG_CATCH block, discard an error about the text. Raises any other again,
 * such as an interrupt.
 */
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
 * Parse a text of length bytes, which must be a JSON object, into the current
 * memory context. Returns NULL and sets *problem if it cannot, to a phrase that
 * completes "the text".
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

/* The member of an object with this key, or NULL. */
JsonbValue *
json_member(const JsonbContainer *container, const char *key)
{
	if (container == NULL || !JsonContainerIsObject(container))
		return NULL;
	return getKeyJsonValueFromContainer((JsonbContainer *) container, key, strlen(key), NULL);
}

/* Element i of an array, counted from 0, or NULL. */
JsonbValue *
json_element(const JsonbContainer *container, uint32 i)
{
	if (container == NULL || !JsonContainerIsArray(container))
		return NULL;
	return getIthJsonbValueFromContainer((JsonbContainer *) container, i);
}

/* The elements of an array or the members of an object; NULL if the value is neither. */
const JsonbContainer *
json_container(const JsonbValue *value)
{
	return value != NULL && value->type == jbvBinary ? value->val.binary.data : NULL;
}

/* Set *result to an integer. Returns false if the value is not an integer that fits. */
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
	if (*end == '.')			/* aggregations return 1.0 for 1 */
		end += 1 + strspn(end + 1, "0");
	fits = errno == 0 && *end == '\0';
	pfree(digits);
	return fits;
}

/* Whether the value is true. */
bool
json_is_true(const JsonbValue *value)
{
	return value != NULL && value->type == jbvBool && value->val.boolean;
}

/* Whether the value is false. */
bool
json_is_false(const JsonbValue *value)
{
	return value != NULL && value->type == jbvBool && !value->val.boolean;
}

/* The string as a C string in the current memory context; NULL if the value is not a string. */
char *
json_string(const JsonbValue *value)
{
	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}
