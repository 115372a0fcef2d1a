/*
 * audience_of.h
 *		Whoever is to follow chats, from the request that asks for it.
 */
#ifndef CHATD_AUDIENCE_OF_H
#define CHATD_AUDIENCE_OF_H

#include "http/request.h"
#include "streams/audience.h"

/* May the client follow? If there is no room for that, responds. */
extern bool audience_has_room(Request *request);

/* The audience of a request whose socket was taken over, with the application's id of the call. */
extern Audience audience_of(Request *request, int fd, const char *headers);

#endif
