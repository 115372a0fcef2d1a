/*
 * histogram.h
 *		How often values were in which range.
 */
#ifndef CHATD_HISTOGRAM_H
#define CHATD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BOUNDS 14

/* Counts of values up to each bound, and above all of them; and the sum of the values. */
typedef struct Histogram
{
	uint64_t	counts[HISTOGRAM_BOUNDS + 1];
	uint64_t	sum;
} Histogram;

/* The bounds of times, in microseconds. */
extern const uint64_t time_bounds[HISTOGRAM_BOUNDS];

/* The bounds of sizes. */
extern const uint64_t size_bounds[HISTOGRAM_BOUNDS];

/* Counts a value so many times. */
extern void histogram_add(Histogram *histogram, const uint64_t *bounds, uint64_t value, uint64_t times);

/* How many values were counted. */
extern uint64_t histogram_count(const Histogram *histogram);

#endif
