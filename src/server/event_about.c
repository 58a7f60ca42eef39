#include "server/event_about.h"

#include <string.h>

#include "base/sha256.h"
#include "base/str.h"
#include "json/jwrite.h"
#include "server/api/sandbox_json.h"
#include "server/settings.h"
#include "server/store/uuid.h"

/* Derived, so that no restart changes it: each start and each resume has another time. */
static void execution_id(const struct wr_sandbox *sandbox, char out[static WR_UUID_LEN + 1])
{
    char text[WR_ID_LEN + 32], hex[2 * WR_SHA256_LEN + 1];

    if (!wr_strformat(text, sizeof text, "%s/%llu", sandbox->id,
                      (unsigned long long)sandbox->created_ms))
        text[0] = '\0';
    wr_sha256_hex(text, strlen(text), hex);
    hex[12] = hex[16] = '8'; /* version 8, of the RFC's variant: made by hand */
    (void)!wr_strformat(out, WR_UUID_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                        hex + 16, hex + 20);
}

/* What has run until now. */
static void write_execution(struct wr_jw *w, const struct wr_sandbox *sandbox, uint64_t now_ms)
{
    uint64_t began_ms = sandbox->created_ms;

    wr_jw_key(w, "execution");
    wr_jw_object(w);
    wr_api_write_time(w, "started_at", began_ms);
    wr_jw_ku64(w, "vcpu_count", wr_api_cpu_count(sandbox->limits.cpu_millis));
    wr_jw_ku64(w, "memory_mb", sandbox->limits.memory_bytes / WR_MIB);
    wr_jw_ku64(w, "execution_time", now_ms > began_ms ? now_ms - began_ms : 0);
    wr_jw_end(w);
}

static void write_metadata(struct wr_jw *w, const struct wr_sandbox *sandbox)
{
    const char *key;
    json_t *metadata = wr_settings_metadata(sandbox->settings), *value;

    if (json_object_size(metadata) == 0)
        return;
    wr_jw_key(w, "sandbox_metadata");
    wr_jw_object(w);
    json_object_foreach(metadata, key, value)
        wr_jw_kstr(w, key, json_string_value(value));
    wr_jw_end(w);
}

static void write_facts(struct wr_jw *w, const struct wr_event_facts *facts)
{
    wr_jw_kstr(w, "level", facts->level);
    if (facts->level)
        wr_jw_kbool(w, "memory", facts->memory);
    wr_jw_kstr(w, "snapshot_id", facts->snapshot_id);
    if (facts->set_timeout_ms)
        wr_api_write_time(w, "set_timeout", facts->set_timeout_ms);
}

static void write_identity(struct wr_jw *w, const struct wr_sandbox *sandbox, const char *build_id)
{
    char id[WR_UUID_LEN + 1], template_id[WR_TEMPLATE_ID_LEN + 1];

    wr_template_id(sandbox->template_name, template_id);
    wr_jw_kstr(w, "template",
               sandbox->snapshot_template[0] ? sandbox->snapshot_template : template_id);
    wr_jw_kstr(w, "build", build_id);
    execution_id(sandbox, id);
    wr_jw_kstr(w, "execution", id);
}

int wr_event_about_write(const struct wr_sandbox *sandbox, const char *build_id,
                         const struct wr_event_moment *moment, struct wr_buf *out)
{
    bool paused = wr_streq(moment->type, "paused");
    const struct wr_event_facts none = {0};
    struct wr_event_facts own = moment->facts ? *moment->facts : none;
    char id[WR_UUID_LEN + 1];
    struct wr_jw w;

    wr_uuid_new(id);
    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "id", id);
    if (sandbox)
        write_identity(&w, sandbox, build_id);
    wr_jw_key(&w, "data");
    wr_jw_object(&w);
    wr_jw_kstr(&w, "reason", moment->reason);
    if (sandbox)
        write_metadata(&w, sandbox);
    if (sandbox && (paused || wr_streq(moment->type, "killed")))
        write_execution(&w, sandbox, moment->now_ms);
    if (sandbox && paused) {
        own.level = wr_pause_level_name(sandbox->level);
        own.memory = sandbox->memory;
    }
    write_facts(&w, &own);
    wr_jw_end(&w);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}
