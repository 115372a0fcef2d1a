/*
 * exposure.h
 *		Whether others can reach chatd.
 */
#ifndef CHATD_EXPOSURE_H
#define CHATD_EXPOSURE_H

/* Exits if they can, and neither keys are required nor that is said to be wanted. */
extern void exposure_check(void);

#endif
