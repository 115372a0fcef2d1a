/*
 * access_log.h
 *		One log line per request, as text or as JSON.
 */
#ifndef CHATD_ACCESS_LOG_H
#define CHATD_ACCESS_LOG_H

#include "http/request.h"

/* Logs a request that ended with this status. Tokens in its target are cut short. */
extern void access_log(const Request *request, unsigned status);

#endif
