/*
 * exposure.h
 *		Protection against serving other machines by accident.
 */
#ifndef CHATD_EXPOSURE_H
#define CHATD_EXPOSURE_H

/* Exits if other machines can reach chatd, unless keys are required or --open is set. */
extern void exposure_check(void);

#endif
