#include "server/api/sandbox_json.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "json/jread.h"
#include "server/api/errors.h"
#include "server/api/network_config.h"
#include "server/server.h"
#include "server/settings.h"
#include "server/template_ref.h"

#define MAX_BYTES ((size_t)1024 * 1024) /* of one sandbox; its settings came in a smaller body */

void wr_api_write_time(struct wr_jw *w, const char *key, uint64_t wall_ms)
{
    char text[25];

    wr_format_rfc3339(wall_ms, text);
    wr_jw_kstr(w, key, text);
}

uint64_t wr_api_cpu_count(uint64_t cpu_millis)
{
    return (cpu_millis + 999) / 1000;
}

void wr_api_write_value(struct wr_jw *w, const json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        wr_jw_object(w);
        json_object_foreach((json_t *)(uintptr_t)value, key, item) {
            wr_jw_key(w, key);
            wr_api_write_value(w, item);
        }
        wr_jw_end(w);
        break;
    case JSON_ARRAY:
        wr_jw_array(w);
        json_array_foreach(value, i, item)
            wr_api_write_value(w, item);
        wr_jw_end(w);
        break;
    case JSON_STRING:
        wr_jw_strn(w, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        wr_jw_i64(w, json_integer_value(value));
        break;
    case JSON_REAL:
        wr_jw_double(w, json_real_value(value), 6);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        wr_jw_bool(w, json_is_true(value));
        break;
    case JSON_NULL:
        wr_jw_null(w);
        break;
    }
}

static void write_setting(struct wr_jw *w, const struct wr_sandbox *sandbox, const char *key)
{
    const json_t *value = json_object_get(sandbox->settings, key);

    if (!value)
        return;
    wr_jw_key(w, key);
    wr_api_write_value(w, value);
}

/* NULL and "" are left out. */
static void write_optional(struct wr_jw *w, const char *key, const char *value)
{
    wr_jw_kstr(w, key, value && *value ? value : NULL);
}

bool wr_api_is_paused(const struct wr_sandbox *sandbox)
{
    return sandbox->state == WR_SANDBOX_PAUSED ||
           (sandbox->state == WR_SANDBOX_RESUMING && sandbox->level != WR_PAUSE_NONE);
}

static void write_pause(struct wr_jw *w, const struct wr_sandbox *sandbox)
{
    wr_jw_key(w, "pause");
    wr_jw_object(w);
    wr_jw_kstr(w, "level", wr_pause_level_name(sandbox->level));
    wr_jw_kbool(w, "memory", sandbox->memory);
    write_optional(w, "reason", sandbox->pause_reason);
    wr_api_write_time(w, "pausedAt", sandbox->paused_ms);
    wr_jw_ku64(w, "bytes", sandbox->saved_bytes);
    wr_jw_end(w);
}

/* One that was made from a snapshot is of the snapshot's template. */
static void write_template(struct wr_jw *w, const struct wr_sandbox *sandbox)
{
    char template_id[WR_TEMPLATE_ID_LEN + 1];
    bool own = !sandbox->snapshot_template[0];

    wr_template_id(sandbox->template_name, template_id);
    wr_jw_kstr(w, "templateID", own ? template_id : sandbox->snapshot_template);
    write_optional(w, "alias", own ? sandbox->template_name : sandbox->snapshot_name);
}

static void write_identity(struct wr_jw *w, const struct wr_sandbox *sandbox)
{
    write_template(w, sandbox);
    wr_jw_kstr(w, "sandboxID", sandbox->id);
    wr_jw_kstr(w, "clientID", WR_CLIENT_ID);
    wr_jw_kstr(w, "envdVersion", WR_ENVD_VERSION);
    wr_jw_kstr(w, "teamID", sandbox->team_id);
}

static void write_listed(struct wr_jw *w, const struct wr_sandbox *sandbox)
{
    const struct wr_sandbox_limits *limits = &sandbox->limits;
    bool paused = wr_api_is_paused(sandbox);

    write_identity(w, sandbox);
    wr_api_write_time(w, "startedAt", sandbox->created_ms);
    wr_api_write_time(w, "endAt", paused ? sandbox->paused_ms : sandbox->deadline_ms);
    wr_jw_kstr(w, "state", paused ? "paused" : "running");
    if (paused)
        write_pause(w, sandbox);
    /* Who was cut off by it asks at once, and must not take the sandbox for one that runs. */
    else if (sandbox->state == WR_SANDBOX_PAUSING)
        wr_jw_kbool(w, "pausing", true);
    wr_jw_ku64(w, "cpuCount", wr_api_cpu_count(limits->cpu_millis));
    wr_jw_ku64(w, "memoryMB", limits->memory_bytes / WR_MIB);
    wr_jw_ku64(w, "diskSizeMB", limits->disk_bytes / WR_MIB);
    wr_jw_key(w, "limits");
    wr_jw_object(w);
    wr_jw_ku64(w, "cpuMillis", limits->cpu_millis);
    wr_jw_ku64(w, "memoryBytes", limits->memory_bytes);
    wr_jw_ku64(w, "diskBytes", limits->disk_bytes);
    wr_jw_ku64(w, "pids", limits->pids);
    wr_jw_ku64(w, "openFiles", limits->open_files);
    wr_jw_end(w);
    if (json_object_size(wr_settings_metadata(sandbox->settings)) > 0)
        write_setting(w, sandbox, "metadata");
    write_setting(w, sandbox, "volumeMounts");
}

void wr_api_write_listed(struct wr_jw *w, const struct wr_sandbox *sandbox)
{
    wr_jw_object(w);
    write_listed(w, sandbox);
    wr_jw_end(w);
}

void wr_api_write_access(struct wr_jw *w, const struct wr_server *server,
                         const struct wr_sandbox *sandbox)
{
    wr_jw_object(w);
    write_identity(w, sandbox);
    write_optional(w, "envdAccessToken", sandbox->envd_token);
    write_optional(w, "trafficAccessToken", sandbox->traffic_token);
    write_optional(w, "domain", server->config->public_domain);
    wr_jw_end(w);
}

void wr_api_reply_access(struct wr_server *server, struct wr_exchange *ex, int status,
                         const struct wr_sandbox *sandbox)
{
    wr_auto_buf body = WR_BUF(4096);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_api_write_access(&w, server, sandbox);
    wr_api_reply_json(ex, status, &body, wr_jw_finish(&w));
}

void wr_api_reply_detail(struct wr_server *server, struct wr_exchange *ex,
                         const struct wr_sandbox *sandbox)
{
    const json_t *kept = json_object_get(sandbox->settings, "network");
    wr_auto_json *network = kept ? wr_network_config_shown(kept) : NULL;
    wr_auto_buf body = WR_BUF(MAX_BYTES);
    struct wr_jw w;

    if (kept && !network) {
        wr_api_error(ex, 503, "no memory for the sandbox's network");
        return;
    }

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    write_listed(&w, sandbox);
    write_optional(&w, "envdAccessToken", sandbox->envd_token);
    write_optional(&w, "domain", server->config->public_domain);
    write_setting(&w, sandbox, "allowInternetAccess");
    if (network) {
        wr_jw_key(&w, "network");
        wr_api_write_value(&w, network);
    }
    write_setting(&w, sandbox, "lifecycle");
    if (sandbox->state == WR_SANDBOX_PAUSED)
        wr_jw_kstr(&w, "pauseMode", sandbox->memory ? "full" : "filesystem");
    if (sandbox->state == WR_SANDBOX_PAUSED && sandbox->unresponsive)
        wr_jw_kbool(&w, "envdUnresponsiveAtPause", true);
    wr_jw_end(&w);
    wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}
