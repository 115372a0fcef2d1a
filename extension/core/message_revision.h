/*
 * message_revision.h
 *	  The revision of a message that is changed directly: see message_revision.c.
 */
#ifndef PG_CHAT_MESSAGE_REVISION_H
#define PG_CHAT_MESSAGE_REVISION_H

#include "core/row_number.h"

extern HeapTuple message_revision_of_inserted(const TriggerData *trigger, const NumberedRow *row);
extern HeapTuple message_revision_of_updated(const TriggerData *trigger, const NumberedRow *row, bool moved);
extern void message_revision_of_overlooked(const TriggerData *trigger);

#endif							/* PG_CHAT_MESSAGE_REVISION_H */
