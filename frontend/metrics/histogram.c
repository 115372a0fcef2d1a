/*
 * histogram.c
 *		How often values were in which range.
 */
#include "metrics/histogram.h"

const uint64_t time_bounds[HISTOGRAM_BOUNDS] = {
	250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 10000000
};

const uint64_t size_bounds[HISTOGRAM_BOUNDS] = {
	1, 2, 4, 8, 16, 32, 64, 100, 128, 200, 256, 400, 512, 1000
};

void
histogram_add(Histogram *histogram, const uint64_t *bounds, uint64_t value, uint64_t times)
{
	int			i = 0;

	while (i < HISTOGRAM_BOUNDS && value > bounds[i])
		i++;
	histogram->counts[i] += times;
	histogram->sum += value * times;
}

uint64_t
histogram_count(const Histogram *histogram)
{
	uint64_t	count = 0;

	for (int i = 0; i <= HISTOGRAM_BOUNDS; i++)
		count += histogram->counts[i];
	return count;
}
