/*
 * figures.c
 *		The figures of each loop, in memory that the loops share.
 *
 * Each loop writes to its own. Another one may read a number while it changes, and then
 * sees what it was before or after.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/log.h"
#include "metrics/figures.h"

Figures    *figures;

static Figures *all;			/* an array, of each loop's */
static int	count;

/* What is not in these tables is counted as the last method and the first status. */
static const char *const methods[FIGURE_METHODS] = {
	"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "other"
};
static const unsigned statuses[] = {
	0, 200, 201, 204, 207, 400, 401, 403, 404, 405, 408, 410, 412, 413, 414, 415, 417, 421, 422, 424, 429, 431, 500,
	501, 503, 505
};

_Static_assert(sizeof(statuses) / sizeof(statuses[0]) == FIGURE_STATUSES, "FIGURE_STATUSES is not what the table has");

void
figures_open(int loops)
{
	count = loops;
	all = mmap(NULL, loops * sizeof(Figures), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
	{
		log_event("cannot make memory that loops share: %s", strerror(errno));
		exit(1);
	}
	figures_take(0);
}

void
figures_take(int loop)
{
	figures = &all[loop];
}

const Figures *
figures_sum(void)
{
	static Figures sum;
	uint64_t   *words = (uint64_t *) &sum;

	memset(&sum, 0, sizeof(sum));
	for (int loop = 0; loop < count; loop++)
	{
		const volatile uint64_t *its = (const volatile uint64_t *) &all[loop];

		for (size_t i = 0; i < sizeof(Figures) / sizeof(uint64_t); i++)
			words[i] += its[i];
	}
	return &sum;
}

void
figures_count_request(int route, const char *method, unsigned status, uint64_t time)
{
	int			method_place = 0;
	int			status_place = FIGURE_STATUSES - 1;

	if (route < 0 || route >= FIGURE_ROUTES)
		route = FIGURE_NO_ROUTE;
	while (method_place < FIGURE_METHODS - 1 && (method == NULL || strcmp(methods[method_place], method) != 0))
		method_place++;
	while (status_place > 0 && statuses[status_place] != status)
		status_place--;
	figures->requests[route][method_place][status_place]++;
	histogram_add(&figures->request_times[route][method_place], time_bounds, time, 1);
}

const char *
figure_method(int place)
{
	return methods[place];
}

unsigned
figure_status(int place)
{
	return statuses[place];
}
