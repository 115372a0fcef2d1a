/*
 * gate.h
 *		The gate: every request passes through it before its handler runs.
 */
#ifndef CHATD_GATE_H
#define CHATD_GATE_H

#include "http/endpoint.h"
#include "http/request.h"

/*
 * Reads the settings. Exits if one is invalid, or if they would open chatd to
 * other machines by accident.
 */
extern void gate_open(const Endpoint *endpoints, int count);

/*
 * At SIGHUP: reads the settings again that need no restart, and forgets what is known of
 * credentials, and what callers have left of their limits.
 */
extern void gate_reload(void);

/* The admit function of a service, see router.h. */
extern void gate_admit(Request *request);

/* The run function of a service, see router.h. */
extern void gate_run(Request *request);

/* The complete function of a service, see router.h. */
extern void gate_complete(Request *request);

/* Called once a second. */
extern void gate_tick(void);

#endif
