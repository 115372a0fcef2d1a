/*
 * message_insert.h
 *	  Numbers and rows of new messages.
 *
 * chat.chats holds for each chat the highest number given and the count of
 * messages. Whoever creates messages updates that row and inserts them in one
 * transaction. The row stays locked until the transaction ends, so
 *
 *	- two creators never get the same number,
 *	- a rollback, also to a savepoint, takes number and message back together,
 *	- numbers become visible in their order: a reader who has seen n will never
 *	  see a smaller number appear that was given automatically,
 *	- the count is exact in the very commit that changes it.
 *
 * That is done in two ways. message_insert_direct.c has the access methods do
 * it, where nothing is defined on the tables that only a statement would heed;
 * message_insert_spi.c has statements do it, and does whatever the other left.
 * Both take chats in the order of their keys, and the first holds what it
 * leaves: so two batches cannot wait for each other in a circle.
 *
 * A message with a key is created once, whoever asks how often: see message_key.h.
 */
#ifndef PG_CHAT_MESSAGE_INSERT_H
#define PG_CHAT_MESSAGE_INSERT_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "core/arg_error.h"

/* A message to be created. */
typedef struct MessageInsert
{
	text	   *token;			/* of the application; NULL: application is its id */
	int32		application;
	int32		chat;
	bool		named;			/* number was named by the caller */
	int32		number;			/* as named; once created, as given */
	text	   *body;
	text	   *sender;			/* or NULL */
	Jsonb	   *metadata;		/* or NULL */
	text	   *key;			/* what it is created once by, or NULL */
	bytea	   *key_digest;		/* of what is created with the key */
	bool		conditional;	/* it is wanted only behind if_last */
	int32		if_last;
	bool		move_cursor;	/* the sender's cursor moves to it: see sender_cursor.c */
	TimestampTz created_at;		/* once created; 0: not known, as somebody's trigger has left that
								 * or the row out */
	int32		revision;		/* 0: none */
	bool		created;
	bool		replayed;		/* it was there already */
	struct MessageInsert *first;	/* the message of the same call that has its key; NULL: none */
	ArgError	problem;		/* why it was refused, if it was; number is then the chat's last,
								 * if it is not if_last */
} MessageInsert;

/* A message that nothing has to be done with any more. */
static inline bool
message_is_done(const MessageInsert *message)
{
	return message->created || message->problem.sqlstate != 0;
}

/*
 * Create messages without statements, of any applications and chats; set of
 * each application, and then created, replayed, number and created_at, or problem. Those that
 * have a problem already are passed over. If wait is false, those of chats that
 * another transaction has locked are refused. Returns whether none is left for
 * the functions below.
 */
extern bool message_insert_direct(MessageInsert *messages, int count, bool wait);

/*
 * The same by statements, connected to SPI, of messages whose application is
 * known.
 */
extern void message_insert_many(MessageInsert *messages, int count, bool wait);

#endif							/* PG_CHAT_MESSAGE_INSERT_H */
