/*
 * application_token.h
 *		Tokens of applications, by their ids.
 */
#ifndef CHATD_APPLICATION_TOKEN_H
#define CHATD_APPLICATION_TOKEN_H

#include "access/fact.h"
#include "http/uri.h"

/*
 * Returns whether a segment of a path is the id of an application. A token that
 * consists of digits is taken for an id.
 */
extern bool is_application_id(const Text *segment);

/*
 * Asks for the token of the application with an id; the waiter gets a string,
 * or NULL if there is no such application.
 */
extern void application_token_ask(const Text *id, FactWaiter *waiter);

#endif
