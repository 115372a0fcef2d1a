/*
 * unread_count.h
 *	  How many messages are above a cursor.
 *
 * If a chat has a message for each number up to its highest, it is the
 * difference. messages_count tells that, unless the chat was changed directly
 * and has not been recounted: then the same transaction has put it into the
 * queue, which seldom has any chat of the application. Nor does it tell how many
 * a policy shows, if row-level security hides messages. Otherwise the messages
 * are counted, by an index scan.
 */
#ifndef PG_CHAT_UNREAD_COUNT_H
#define PG_CHAT_UNREAD_COUNT_H

#define QUEUED(application, chat) \
	"EXISTS (SELECT FROM chat_internal.recount_queue AS q WHERE q.application_id = " application chat ")"

/* Of the chat h of an application, above a number: names in the statement. */
#define UNREAD_COUNT(application, number) \
	"CASE WHEN h.messages_count = h.last_message_number" \
	" AND NOT row_security_active('chat.messages'::regclass) AND NOT " QUEUED("0", " AND q.chat_number = 0") \
	" AND NOT (" QUEUED(application, "") " AND " QUEUED(application, " AND q.chat_number = h.number") ")" \
	" THEN GREATEST(h.last_message_number - " number ", 0)" \
	" ELSE (SELECT count(*) FROM chat.messages AS unread WHERE unread.application_id = " application \
	" AND unread.chat_number = h.number AND unread.number > " number " AND unread.deleted_at IS NULL)::int4 END"

#endif							/* PG_CHAT_UNREAD_COUNT_H */
