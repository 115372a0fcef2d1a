/*
 * origin.h
 *		Web pages: which may call, and which must not have others' browsers call.
 */
#ifndef CHATD_ORIGIN_H
#define CHATD_ORIGIN_H

#include "http/request.h"

/* Reads the settings; exits if one is invalid. */
extern void origins_open(void);

/* May the request come from where it does? If not, responds. */
extern bool origin_admits(Request *request);

/* Adds to a response what tells a browser that its page may read it. */
extern void origin_complete(Request *request);

#endif
