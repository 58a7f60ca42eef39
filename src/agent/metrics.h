/* GET /metrics: what the sandbox's own /proc and root file system say. */
#pragma once

#include "base/buf.h"

struct wr_cpu_sample {
    uint64_t busy, total; /* clock ticks since boot, all CPUs */
};

/* Appends the JSON object. `cpu` holds the sample of the previous call (zeroed: since boot) and is
 * replaced. 0 or -errno. */
int wr_metrics_write(struct wr_buf *out, struct wr_cpu_sample *cpu) WR_MUST_CHECK;
