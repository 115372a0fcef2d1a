/*
 * curl_loop.h
 *	  The event loop under libcurl: see curl_loop.c.
 */
#ifndef PG_CHAT_CURL_LOOP_H
#define PG_CHAT_CURL_LOOP_H

#include "postgres.h"

#include <curl/curl.h>

/* Called for each transfer that is completed, with signals blocked. Must raise no error. */
typedef void (*CurlLoopDone) (CURL *easy, CURLcode code);

extern int64 curl_loop_now(void);
extern const char *curl_loop_start(CurlLoopDone done);
extern const char *curl_loop_add(CURL *easy);
extern void curl_loop_end(CURL *easy, bool running);
extern void curl_loop_run(void);
extern void curl_loop_wait(int64 until);

#endif							/* PG_CHAT_CURL_LOOP_H */
