/*
 * message_items.h
 *		Many messages that one request creates.
 */
#ifndef CHATD_MESSAGE_ITEMS_H
#define CHATD_MESSAGE_ITEMS_H

#include "http/request.h"

/*
 * Creates the messages that the items of the request's body ask for, all of one chat or, if
 * chat is 0, each of the one that it names.
 */
extern void message_items_create(Request *request, int chat);

#endif
