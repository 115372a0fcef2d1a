/*
 * exposition.h
 *		The text format of Prometheus.
 */
#ifndef CHATD_EXPOSITION_H
#define CHATD_EXPOSITION_H

#include <stdio.h>

#include "metrics/figures.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Writes the help and the type (counter, gauge or histogram) of a metric; its samples are to follow. */
extern void exposition_metric(FILE *text, const char *name, const char *type, const char *help);

/*
 * Writes all figures of chatd. routes has the names of the routes, by their places; NULL where there is
 * none.
 */
extern void exposition_figures(FILE *text, const Figures *sum, const char *const routes[FIGURE_ROUTES]);

#endif
