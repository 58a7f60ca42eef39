/*
 * Records that wait for the collector, each as the JSON text that is sent, so that a bound on bytes
 * is exact and encoding costs the exporter nothing. Not thread-safe.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/list.h"

struct wr_export_queue {
    struct wr_list items;
    size_t count, bytes;
    size_t max_count, max_bytes;
};

void wr_export_queue_init(struct wr_export_queue *queue, size_t max_count, size_t max_bytes);
void wr_export_queue_done(struct wr_export_queue *queue);
/* False when there is no room, or no memory. The text is copied. */
bool wr_export_queue_push(struct wr_export_queue *queue, const char *text, size_t len);
/* Appends the first records to `out`, with commas between: at most `max_count`, and as many as fit
 * into `max_bytes`, but one in any case. How many; what `out` has no room for stays. */
size_t wr_export_queue_take(struct wr_export_queue *queue, size_t max_count, size_t max_bytes,
                            struct wr_buf *out);
