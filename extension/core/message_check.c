/*
 * message_check.c
 *	  What a message may be.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "common/case_fold.h"
#include "common/compat.h"
#include "core/message_check.h"

int			guc_max_body_size;
int			guc_max_metadata_size;

/* Characters in the name of a sender, at most. */
#define SENDER_MAXIMUM 255

/* Characters in a key, at most. */
#define KEY_MAXIMUM 255

/* What is wrong with the body of a message, if anything. It may be NULL. */
ArgError
message_check_body(const text *body)
{
	if (body == NULL || text_is_blank(body))
		return arg_error_blank("message", "body");
	if (VARSIZE_ANY_EXHDR(body) > guc_max_body_size)
		return arg_error_too_long("message", "body", guc_max_body_size, "bytes");
	return (ArgError) {0};
}

/* What is wrong with the sender of a message, if anything. */
ArgError
message_check_sender(const text *sender)
{
	if (text_is_blank(sender))
		return arg_error_blank("message", "sender");
	if (VARSIZE_ANY_EXHDR(sender) > SENDER_MAXIMUM &&
		pg_mbstrlen_with_len(VARDATA_ANY(sender), VARSIZE_ANY_EXHDR(sender)) > SENDER_MAXIMUM)
		return arg_error_too_long("message", "sender", SENDER_MAXIMUM, "characters");
	return (ArgError) {0};
}

/* What is wrong with the key that a message, or something else, is created once by, if anything. */
ArgError
message_check_key(const char *noun, const text *key)
{
	if (text_is_blank(key))
		return arg_error_blank(noun, "key");
	if (VARSIZE_ANY_EXHDR(key) > KEY_MAXIMUM &&
		pg_mbstrlen_with_len(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key)) > KEY_MAXIMUM)
		return arg_error_too_long(noun, "key", KEY_MAXIMUM, "characters");
	return (ArgError) {0};
}

/* What is wrong with the metadata of a message, if anything. */
ArgError
message_check_metadata(Jsonb *metadata)
{
	StringInfoData printed;

	if (!JB_ROOT_IS_OBJECT(metadata))
		return arg_error_no_object("message", "metadata");
	initStringInfo(&printed);
	JsonbToCString(&printed, &metadata->root, VARSIZE(metadata));
	pfree(printed.data);
	if (printed.len > guc_max_metadata_size)
		return arg_error_too_long("message", "metadata", guc_max_metadata_size, "bytes");
	return (ArgError) {0};
}
