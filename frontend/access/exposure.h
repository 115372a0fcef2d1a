/*
 * exposure.h
 *		Protection against serving other machines by accident.
 */
#ifndef CHATD_EXPOSURE_H
#define CHATD_EXPOSURE_H

#include <stdbool.h>

#include "http/endpoint.h"

/*
 * Exits if other machines can reach one of the endpoints, unless keys are required
 * or --open is set.
 */
extern void exposure_check(const Endpoint *endpoints, int count);

/* May whoever opens the console try things out there, which makes an application: without a key on this machine, or by --try-it? */
extern bool exposure_invites(void);

#endif
