/* What a sandbox uses at the moment, as the engine counts it. */
#pragma once

#include "server/engine_client.h"
#include "server/store/store.h"

struct wr_server;
struct wr_sandbox;

struct wr_stats {
    uint64_t memory_bytes; /* cache included */
    uint64_t memory_peak_bytes, memory_limit_bytes, cache_bytes;
    uint64_t cpu_usec, pids, oom_kills;
    uint64_t disk_bytes, disk_limit_bytes;
};

/* Asks the engine; `fn` is called once, later, and reads its reply with wr_stats_read(). */
int wr_stats_ask(struct wr_server *server, const char *sandbox_id, wr_engine_fn fn, void *data,
                 struct wr_error *err) WR_MUST_CHECK;
int wr_stats_read(const json_t *json, struct wr_stats *out, struct wr_error *err) WR_MUST_CHECK;
/* As it is recorded. CPU use is that since the last sample of the sandbox, or its creation. */
struct wr_metric wr_stats_metric(const struct wr_sandbox *sandbox, const struct wr_stats *stats);
