/* SPDX-License-Identifier: ISC */
/* metric: counters that all processes on this machine share, in one small
 * mapped file, so that whichever worker is asked gives the sum of all. A
 * counter is one atomic add; what cannot be mapped is counted for this
 * process alone. */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include <stdint.h>

#include "base/buf.h"

enum metric {
#define METRIC(id, name, labels, doc) id,
#include "base/metric.def"
#undef METRIC
	METRICS
};

void	 metric_open(const char *path);
void	 metric_add(enum metric, uint64_t n);
/* Words beside the counters, shared alike and zero at first, in which whoever
 * counts otherwise keeps what it counts: edge/guess.h. */
#define METRIC_WORDS	4096
_Atomic uint64_t *metric_words(void);
/* Prometheus text exposition format 0.0.4. */
void	 metric_print(struct buf *);
/* One gauge, for what is measured when asked. */
void	 metric_print_gauge(struct buf *, const char *name, const char *doc,
	    double value);

#endif
