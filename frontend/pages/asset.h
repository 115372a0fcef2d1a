/*
 * asset.h
 *		Files that are a part of the program, as texts that end with a NUL.
 */
#ifndef CHATD_ASSET_H
#define CHATD_ASSET_H

/* The description of the API, api/openapi.json. */
extern const char asset_openapi[];

/* The console, a page of HTML with one element style and one element script. */
extern const char asset_console[];

#endif
