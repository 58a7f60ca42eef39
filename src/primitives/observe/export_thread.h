/* The thread that runs an exporter. */
#pragma once

#include "primitives/observe/exporter.h"
#include "warren/cancel.h"

#define WR_EXPORT_FLUSH_MS    10000 /* default of a flush */
#define WR_EXPORT_SHUTDOWN_MS 2000  /* for the end of a telemetry */

struct wr_export_thread;

/* `exporter` is borrowed until the thread is freed. */
int wr_export_thread_new(struct wr_exporter *exporter, struct wr_export_thread **ret,
                         struct wr_error *err) WR_MUST_CHECK;
/* Sends what waits, at most `bound_ms` long, and ends. Accepts NULL, returns NULL. */
struct wr_export_thread *wr_export_thread_free(struct wr_export_thread *thread, uint64_t bound_ms);
/* Returns when what waits was sent, or has failed. Any thread. */
int wr_export_thread_flush(struct wr_export_thread *thread, const struct wr_wait *wait,
                           struct wr_error *err);
