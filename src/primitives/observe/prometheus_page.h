/* All metrics as Prometheus text. */
#pragma once

#include "primitives/observe/metric_store.h"

#define WR_PROMETHEUS_PAGE_MAX ((size_t)1024 * 1024) /* bytes */

/* 0 or -errno. */
int wr_prometheus_page(struct wr_metric_store *store, struct wr_buf *out) WR_MUST_CHECK;
