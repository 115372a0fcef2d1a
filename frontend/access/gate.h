/*
 * gate.h
 *		The gate: every request passes it on its way to its handler.
 */
#ifndef CHATD_GATE_H
#define CHATD_GATE_H

#include "http/endpoint.h"
#include "http/request.h"

/* Reads the settings; exits if one is invalid, or if they leave chatd open to others by accident. */
extern void gate_open(const Endpoint *endpoints, int count);

/* The admit function of a service, see router.h. */
extern void gate_admit(Request *request);

/* The run function of a service, see router.h. */
extern void gate_run(Request *request);

/* The complete function of a service, see router.h. */
extern void gate_complete(Request *request);

/* Once a second. */
extern void gate_tick(void);

#endif
