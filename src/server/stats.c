#include "server/stats.h"

#include "base/clock.h"
#include "json/jread.h"
#include "server/server.h"

int wr_stats_ask(struct wr_server *server, const char *sandbox_id, wr_engine_fn fn, void *data,
                 struct wr_error *err)
{
    char json[64];

    /* The id is of [a-z0-9]: nothing to escape. */
    if (!wr_strformat(json, sizeof json, "{\"id\":\"%s\"}", sandbox_id))
        return wr_fail(err, WR_E_INTERNAL, 0, "figures of sandbox %.40s", sandbox_id);
    const struct wr_engine_request request = {
        .action = WR_ACTION_STATS, .json = json, .len = strlen(json)};
    return wr_engine_call(server->engine, &request, fn, data, err);
}

int wr_stats_read(const json_t *json, struct wr_stats *out, struct wr_error *err)
{
    struct wr_stats stats = {0};
    const struct wr_json_field fields[] = {
        {.name = "memoryBytes", .kind = WR_JSON_U64, .ret = &stats.memory_bytes},
        {.name = "memoryPeakBytes", .kind = WR_JSON_U64, .ret = &stats.memory_peak_bytes},
        {.name = "memoryLimitBytes", .kind = WR_JSON_U64, .ret = &stats.memory_limit_bytes},
        {.name = "cacheBytes", .kind = WR_JSON_U64, .ret = &stats.cache_bytes},
        {.name = "cpuUsec", .kind = WR_JSON_U64, .ret = &stats.cpu_usec},
        {.name = "pids", .kind = WR_JSON_U64, .ret = &stats.pids},
        {.name = "oomKills", .kind = WR_JSON_U64, .ret = &stats.oom_kills},
        {.name = "diskBytes", .kind = WR_JSON_U64, .ret = &stats.disk_bytes},
        {.name = "diskLimitBytes", .kind = WR_JSON_U64, .ret = &stats.disk_limit_bytes},
    };

    int r = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, err);
    if (r == 0)
        *out = stats;
    return r;
}

/* Percent of one CPU. */
static double cpu_pct(const struct wr_sandbox *sandbox, const struct wr_stats *stats)
{
    uint64_t wall_ms = wr_wall_ms();
    uint64_t used_us =
        stats->cpu_usec > sandbox->cpu_usec ? stats->cpu_usec - sandbox->cpu_usec : 0;
    uint64_t age_ms = wall_ms > sandbox->created_ms ? wall_ms - sandbox->created_ms : 1;
    uint64_t span_us =
        sandbox->cpu_usec_at_us ? wr_mono_us() - sandbox->cpu_usec_at_us : age_ms * 1000;

    return span_us ? 100.0 * (double)used_us / (double)span_us : 0;
}

struct wr_metric wr_stats_metric(const struct wr_sandbox *sandbox, const struct wr_stats *stats)
{
    struct wr_metric metric = {
        .at_ms = wr_wall_ms(),
        .cpu_used_pct = cpu_pct(sandbox, stats),
        .cpu_count = (uint32_t)((sandbox->limits.cpu_millis + 999) / 1000),
        .mem_used =
            stats->memory_bytes > stats->cache_bytes ? stats->memory_bytes - stats->cache_bytes : 0,
        .mem_total = stats->memory_limit_bytes,
        .mem_cache = stats->cache_bytes,
        .disk_used = stats->disk_bytes,
        .disk_total = stats->disk_limit_bytes,
    };

    memcpy(metric.sandbox_id, sandbox->id, sizeof metric.sandbox_id);
    return metric;
}
