/*
 * export_stream.h
 *		A client that is sent an export, as one response with its length.
 */
#ifndef CHATD_EXPORT_STREAM_H
#define CHATD_EXPORT_STREAM_H

#include "db/exports.h"
#include "streams/audience.h"

/*
 * Sends a response with these headers besides its own, and then the bytes of an export, to the socket
 * of an audience, which is taken over, as is the export.
 */
extern void export_stream_open(const Audience *audience, Export *export, long long size);

#endif
