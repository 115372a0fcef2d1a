/*
 * metrics.h
 *		The names of routes, for those who count requests by their places.
 */
#ifndef CHATD_API_METRICS_H
#define CHATD_API_METRICS_H

#include "metrics/figures.h"

/* Fills in the patterns of all routes, by their places in the table. */
extern void routes_name(const char *names[FIGURE_ROUTES]);

#endif
