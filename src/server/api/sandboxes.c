#include "server/api/sandboxes.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "server/api/create_request.h"
#include "server/api/errors.h"
#include "server/api/metadata_filter.h"
#include "server/api/op.h"
#include "server/lifecycle.h"
#include "server/server.h"

#define LIST_MAX_BYTES ((size_t)64 * 1024 * 1024)

/* ---- shapes ---- */

static void write_time(struct wr_jw *w, const char *key, uint64_t wall_ms)
{
    char text[25];

    wr_format_rfc3339(wall_ms, text);
    wr_jw_kstr(w, key, text);
}

static void write_metadata(struct wr_jw *w, const json_t *metadata)
{
    const char *key;
    json_t *value;

    if (json_object_size(metadata) == 0)
        return;
    wr_jw_key(w, "metadata");
    wr_jw_object(w);
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value)
        wr_jw_kstr(w, key, json_string_value(value));
    wr_jw_end(w);
}

static void write_sandbox(struct wr_jw *w, const struct wr_sandbox *sandbox)
{
    wr_jw_object(w);
    wr_jw_kstr(w, "templateID", sandbox->template_name);
    wr_jw_kstr(w, "alias", sandbox->template_name);
    wr_jw_kstr(w, "sandboxID", sandbox->id);
    wr_jw_kstr(w, "clientID", WR_CLIENT_ID);
    wr_jw_kstr(w, "envdVersion", WR_ENVD_VERSION);
    write_time(w, "startedAt", sandbox->created_ms);
    write_time(w, "endAt", sandbox->deadline_ms);
    wr_jw_kstr(w, "state", "running");
    wr_jw_ku64(w, "cpuCount", (sandbox->limits.cpu_millis + 999) / 1000);
    wr_jw_ku64(w, "memoryMB", sandbox->limits.memory_bytes / WR_MIB);
    wr_jw_ku64(w, "diskSizeMB", sandbox->limits.disk_bytes / WR_MIB);
    wr_jw_key(w, "limits");
    wr_jw_object(w);
    wr_jw_ku64(w, "cpuMillis", sandbox->limits.cpu_millis);
    wr_jw_ku64(w, "memoryBytes", sandbox->limits.memory_bytes);
    wr_jw_ku64(w, "diskBytes", sandbox->limits.disk_bytes);
    wr_jw_ku64(w, "pids", sandbox->limits.pids);
    wr_jw_ku64(w, "openFiles", sandbox->limits.open_files);
    wr_jw_end(w);
    write_metadata(w, sandbox->metadata);
    wr_jw_end(w);
}

static void reply_sandbox(struct wr_exchange *ex, int status, const struct wr_sandbox *sandbox)
{
    wr_auto_buf body = WR_BUF(64 * 1024);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    write_sandbox(&w, sandbox);
    wr_api_reply_json(ex, status, &body, wr_jw_finish(&w));
}

/* `<id>` or `<id>-<clientID>`. NULL: answered with 404. */
static struct wr_sandbox *find(struct wr_server *server, struct wr_exchange *ex, const char *param)
{
    char id[WR_ID_LEN + 1] = "";
    size_t len = strcspn(param, "-");
    struct wr_sandbox *sandbox = NULL;

    if (len == WR_ID_LEN) {
        memcpy(id, param, len);
        sandbox = wr_sandbox_table_find(server->sandboxes, id);
    }
    if (!sandbox || sandbox->state != WR_SANDBOX_RUNNING) {
        wr_api_no_sandbox(ex, param);
        return NULL;
    }
    return sandbox;
}

/* ---- create ---- */

/* Nobody has learnt the id. A failure is retried by the lifecycle. */
static void discard(struct wr_server *server, struct wr_sandbox *sandbox)
{
    struct wr_error ignored = {0};

    (void)!wr_lifecycle_kill(server, sandbox, NULL, NULL, &ignored);
}

static void on_created(struct wr_sandbox *sandbox, const struct wr_error *error, void *data)
{
    struct wr_api_op *op = data;

    wr_server_touch(op->server);
    if (op->ex && error)
        wr_api_fail(op->ex, error);
    else if (op->ex) {
        memcpy(op->id, sandbox->id, sizeof sandbox->id);
        reply_sandbox(op->ex, 201, sandbox);
    } else if (sandbox)
        discard(op->server, sandbox);
    wr_api_op_end(op);
}

/* The end of the client may be seen only after the answer was queued, or by the attempt to send it.
 */
static void on_create_close(struct wr_exchange *ex, bool aborted, void *data)
{
    const struct wr_api_op *op = data;
    struct wr_sandbox *sandbox =
        aborted ? wr_sandbox_table_find(op->server->sandboxes, op->id) : NULL;

    if (sandbox && sandbox->state == WR_SANDBOX_RUNNING)
        discard(op->server, sandbox);
    wr_api_op_on_close(ex, aborted, data);
}

static void on_create_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    struct wr_create_request request = {0};
    struct wr_error error = {0};

    int r = wr_create_request_parse(body, len, &request, &error);
    if (r == 0)
        r = wr_lifecycle_create(op->server, &request.spec, on_created, op, &error);
    op->busy = r == 0;
    if (r < 0)
        wr_api_fail(ex, &error);
    wr_create_request_done(&request);
}

void wr_api_sandboxes_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_api_op *op = wr_api_op_new(data, ex);

    (void)match;
    if (op)
        wr_exchange_collect(ex, WR_API_MAX_BODY, on_create_body, on_create_close, op);
}

/* ---- list, get ---- */

/* Newest first, then by id: the order that clients expect. */
static int compare(const void *a, const void *b)
{
    const struct wr_sandbox *x = *(struct wr_sandbox *const *)a;
    const struct wr_sandbox *y = *(struct wr_sandbox *const *)b;

    if (x->created_ms != y->created_ms)
        return x->created_ms < y->created_ms ? 1 : -1;
    return strcmp(x->id, y->id);
}

static int read_filter(const struct wr_exchange *ex, json_t **ret, struct wr_error *err)
{
    wr_auto_free char *text = wr_calloc(1, WR_HTTP_MAX_TARGET);

    if (!text)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "filter");
    int r = wr_exchange_query(ex, "metadata", text, WR_HTTP_MAX_TARGET, err);
    if (r <= 0)
        return r;
    return wr_metadata_filter_parse(text, ret, err);
}

void wr_api_sandboxes_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_server *server = data;
    size_t count = 0, max = wr_sandbox_table_count(server->sandboxes);
    wr_auto_free struct wr_sandbox **sorted = wr_calloc(max + 1, sizeof *sorted);
    wr_auto_buf body = WR_BUF(LIST_MAX_BYTES);
    wr_auto_json *filter = NULL;
    struct wr_error error = {0};
    struct wr_jw w;

    (void)match;
    int r = sorted ? read_filter(ex, &filter, &error)
                   : wr_fail(&error, WR_E_UNAVAILABLE, ENOMEM, "list of sandboxes");
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes)) {
        struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        if (sandbox->state == WR_SANDBOX_RUNNING && count < max &&
            wr_metadata_filter_match(filter, sandbox->metadata))
            sorted[count++] = sandbox;
    }
    qsort(sorted, count, sizeof sorted[0], compare);
    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    for (size_t i = 0; i < count; i++)
        write_sandbox(&w, sorted[i]);
    wr_jw_end(&w);
    wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}

void wr_api_sandboxes_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_sandbox *sandbox = find(data, ex, match->params[0]);

    if (sandbox)
        reply_sandbox(ex, 200, sandbox);
}

/* ---- kill, timeout ---- */

static void on_done(const struct wr_error *error, void *data)
{
    struct wr_api_op *op = data;

    if (op->ex && error)
        wr_api_fail(op->ex, error);
    else if (op->ex) {
        wr_exchange_begin(op->ex, 204);
        wr_exchange_send(op->ex, NULL, 0);
    }
    wr_api_op_end(op);
}

void wr_api_sandboxes_kill(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_sandbox *sandbox = find(data, ex, match->params[0]);
    struct wr_api_op *op = sandbox ? wr_api_op_new(data, ex) : NULL;
    struct wr_error error = {0};

    if (!op)
        return;
    wr_exchange_set_ops(ex, &wr_api_op_exchange_ops, op);
    op->busy = true;
    if (wr_lifecycle_kill(data, sandbox, on_done, op, &error) < 0) {
        op->busy = false;
        wr_api_fail(ex, &error);
    }
}

static void on_timeout_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    wr_auto_json *json = NULL;
    struct wr_error error = {0};
    uint64_t timeout_s = 0;
    const struct wr_json_field fields[] = {
        {.name = "timeout",
         .kind = WR_JSON_U64,
         .required = true,
         .ret = &timeout_s,
         .max = WR_TIMEOUT_MAX_S},
    };

    int r = wr_json_parse(body, len, &json, &error);
    if (r == 0)
        r = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    struct wr_sandbox *sandbox = find(op->server, ex, op->id);
    if (!sandbox)
        return;
    op->busy = true;
    if (timeout_s == 0)
        r = wr_lifecycle_kill(op->server, sandbox, on_done, op, &error);
    else
        r = wr_lifecycle_set_deadline(op->server, sandbox, timeout_s * 1000, on_done, op, &error);
    if (r < 0) {
        op->busy = false;
        wr_api_fail(ex, &error);
    }
}

void wr_api_sandboxes_timeout(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data)
{
    const struct wr_sandbox *sandbox = find(data, ex, match->params[0]);
    struct wr_api_op *op = sandbox ? wr_api_op_new(data, ex) : NULL;

    if (!op)
        return;
    memcpy(op->id, sandbox->id, sizeof sandbox->id);
    wr_exchange_collect(ex, 4096, on_timeout_body, wr_api_op_on_close, op);
}

/* ---- metrics ---- */

struct stats {
    uint64_t memory_bytes, memory_peak_bytes, memory_limit_bytes, cpu_usec, pids;
    uint64_t disk_bytes, disk_limit_bytes, oom_kills;
};

static int read_stats(const json_t *json, struct stats *out, struct wr_error *err)
{
    const struct wr_json_field fields[] = {
        {.name = "memoryBytes", .kind = WR_JSON_U64, .ret = &out->memory_bytes},
        {.name = "memoryPeakBytes", .kind = WR_JSON_U64, .ret = &out->memory_peak_bytes},
        {.name = "memoryLimitBytes", .kind = WR_JSON_U64, .ret = &out->memory_limit_bytes},
        {.name = "cpuUsec", .kind = WR_JSON_U64, .ret = &out->cpu_usec},
        {.name = "pids", .kind = WR_JSON_U64, .ret = &out->pids},
        {.name = "diskBytes", .kind = WR_JSON_U64, .ret = &out->disk_bytes},
        {.name = "diskLimitBytes", .kind = WR_JSON_U64, .ret = &out->disk_limit_bytes},
        {.name = "oomKills", .kind = WR_JSON_U64, .ret = &out->oom_kills},
    };
    return wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, err);
}

/* Percent of one CPU since the last look, or since the creation for the first one. */
static double cpu_percent(struct wr_sandbox *sandbox, uint64_t cpu_usec)
{
    uint64_t now_us = wr_mono_us(), wall_ms = wr_wall_ms();
    uint64_t used = cpu_usec >= sandbox->cpu_usec ? cpu_usec - sandbox->cpu_usec : 0;
    uint64_t age_ms = wall_ms > sandbox->created_ms ? wall_ms - sandbox->created_ms : 1;
    uint64_t span = sandbox->cpu_usec_at_us ? now_us - sandbox->cpu_usec_at_us : age_ms * 1000;

    sandbox->cpu_usec = cpu_usec;
    sandbox->cpu_usec_at_us = now_us;
    return span ? 100.0 * (double)used / (double)span : 0;
}

static void reply_metrics(struct wr_exchange *ex, struct wr_sandbox *sandbox,
                          const struct stats *stats)
{
    wr_auto_buf body = WR_BUF(4096);
    uint64_t now_ms = wr_wall_ms();
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    wr_jw_object(&w);
    write_time(&w, "timestamp", now_ms);
    wr_jw_ku64(&w, "timestampUnix", now_ms / 1000);
    wr_jw_ku64(&w, "cpuCount", (sandbox->limits.cpu_millis + 999) / 1000);
    wr_jw_key(&w, "cpuUsedPct");
    wr_jw_double(&w, cpu_percent(sandbox, stats->cpu_usec), 2);
    wr_jw_ku64(&w, "cpuUsedUsec", stats->cpu_usec);
    wr_jw_ku64(&w, "memUsed", stats->memory_bytes);
    wr_jw_ku64(&w, "memTotal", stats->memory_limit_bytes);
    wr_jw_ku64(&w, "memPeak", stats->memory_peak_bytes);
    wr_jw_ku64(&w, "memCache", 0);
    wr_jw_ku64(&w, "diskUsed", stats->disk_bytes);
    wr_jw_ku64(&w, "diskTotal", stats->disk_limit_bytes);
    wr_jw_ku64(&w, "pids", stats->pids);
    wr_jw_ku64(&w, "oomKills", stats->oom_kills);
    wr_jw_end(&w);
    wr_jw_end(&w);
    wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}

static void on_stats(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct wr_api_op *op = data;
    struct wr_error own = {0};
    struct stats stats = {0};

    if (!error && read_stats(reply->json, &stats, &own) < 0)
        error = &own;
    struct wr_sandbox *sandbox = op->ex && !error ? find(op->server, op->ex, op->id) : NULL;
    if (op->ex && error)
        wr_api_fail(op->ex, error);
    else if (sandbox)
        reply_metrics(op->ex, sandbox, &stats);
    wr_api_op_end(op);
}

void wr_api_sandboxes_metrics(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data)
{
    struct wr_server *server = data;
    const struct wr_sandbox *sandbox = find(server, ex, match->params[0]);
    struct wr_api_op *op = sandbox ? wr_api_op_new(server, ex) : NULL;
    struct wr_error error = {0};
    char json[64];

    if (!op)
        return;
    memcpy(op->id, sandbox->id, sizeof sandbox->id);
    wr_exchange_set_ops(ex, &wr_api_op_exchange_ops, op);
    op->busy = true;
    /* The id is of [a-z0-9]: nothing to escape. */
    if (!wr_strformat(json, sizeof json, "{\"id\":\"%s\"}", sandbox->id))
        json[0] = '\0';
    struct wr_engine_request request = {
        .action = WR_ACTION_STATS, .json = json, .len = strlen(json)};
    if (wr_engine_call(server->engine, &request, on_stats, op, &error) < 0) {
        op->busy = false;
        wr_api_fail(ex, &error);
    }
}
