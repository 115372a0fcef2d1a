/*
 * gate.h
 *		The gate: every request passes it on its way to its handler.
 */
#ifndef CHATD_GATE_H
#define CHATD_GATE_H

#include "http/request.h"

/* Reads the settings; exits if one is invalid, or if they leave chatd open to others by accident. */
extern void gate_open(void);

/* These are a service's: see router.h. */
extern void gate_admit(Request *request);
extern void gate_run(Request *request);
extern void gate_complete(Request *request);

/* Once a second. */
extern void gate_tick(void);

#endif
