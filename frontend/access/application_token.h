/*
 * application_token.h
 *		Tokens of applications, by their ids.
 */
#ifndef CHATD_APPLICATION_TOKEN_H
#define CHATD_APPLICATION_TOKEN_H

#include "access/fact.h"
#include "http/uri.h"

/* Is a segment of a path the id of an application? A token's digits may stand for one, too. */
extern bool is_application_id(const Text *segment);

/* Asks for the token of the application with an id; the waiter gets a text, or NULL if there is none. */
extern void application_token_ask(const Text *id, FactWaiter *waiter);

#endif
