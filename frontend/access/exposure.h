/*
 * exposure.h
 *		Whether others can reach chatd.
 */
#ifndef CHATD_EXPOSURE_H
#define CHATD_EXPOSURE_H

#include "http/endpoint.h"

/* Exits if they can by an endpoint, and neither keys are required nor that is said to be wanted. */
extern void exposure_check(const Endpoint *endpoints, int count);

#endif
