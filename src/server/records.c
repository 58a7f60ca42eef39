#include "server/records.h"

#include "base/clock.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "server/egress/egress.h"
#include "server/ingress/dial.h"
#include "server/pausing.h"
#include "server/server.h"

int wr_record_call(struct wr_server *server, enum wr_action action, const struct wr_buf *json,
                   wr_engine_fn fn, void *data, struct wr_error *err)
{
    struct wr_engine_request request = {
        .action = action,
        .json = wr_buf_ptr(json),
        .len = json->len,
    };
    return wr_engine_call(server->engine, &request, fn, data, err);
}

int wr_record_ask(struct wr_server *server, enum wr_action action, const char *id, wr_engine_fn fn,
                  void *data, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(256);
    struct wr_jw w;

    wr_jw_init(&w, &json);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "id", id);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "request for sandbox %s", id);
    return wr_record_call(server, action, &json, fn, data, err);
}

int wr_record_kill(struct wr_server *server, const char *id, wr_engine_fn fn, void *data,
                   struct wr_error *err)
{
    return wr_record_ask(server, WR_ACTION_KILL, id, fn, data, err);
}

void wr_record_cut(struct wr_sandbox *sandbox)
{
    wr_dial_drop_all(sandbox);
    wr_sandbox_drop_sockets(sandbox);
    wr_egress_stop(sandbox);
}

void wr_record_remove(struct wr_server *server, struct wr_sandbox *sandbox)
{
    /* Hidden first: what is cut below must not dial again into a record that is about to go. */
    wr_sandbox_set_state(server->sandboxes, sandbox, WR_SANDBOX_KILLING);
    wr_pausing_end(sandbox);
    wr_job_turns_drop(&server->turns, sandbox->id);
    wr_record_cut(sandbox);
    wr_sandbox_table_remove(server->sandboxes, sandbox);
    wr_server_touch(server);
}

int wr_record_read(const json_t *json, struct wr_record *out, struct wr_error *err)
{
    const char *level = "running";
    const struct wr_json_field fields[] = {
        {.name = "id", .kind = WR_JSON_STRING, .required = true, .ret = &out->id, .max = 20},
        {.name = "template",
         .kind = WR_JSON_STRING,
         .required = true,
         .ret = &out->template_name,
         .max = WR_TEMPLATE_NAME_LEN},
        {.name = "cpuMillis", .kind = WR_JSON_U64, .ret = &out->limits.cpu_millis},
        {.name = "memoryBytes", .kind = WR_JSON_U64, .ret = &out->limits.memory_bytes},
        {.name = "diskBytes", .kind = WR_JSON_U64, .ret = &out->limits.disk_bytes},
        {.name = "pids", .kind = WR_JSON_U64, .ret = &out->limits.pids},
        {.name = "openFiles", .kind = WR_JSON_U64, .ret = &out->limits.open_files},
        {.name = "createdMs", .kind = WR_JSON_U64, .ret = &out->created_ms},
        {.name = "egress", .kind = WR_JSON_U64, .ret = &out->egress},
        {.name = "level", .kind = WR_JSON_STRING, .ret = &level, .max = 16},
        {.name = "memory", .kind = WR_JSON_BOOL, .ret = &out->memory},
        {.name = "pausedMs", .kind = WR_JSON_U64, .ret = &out->paused_ms},
        {.name = "bytes", .kind = WR_JSON_U64, .ret = &out->bytes},
        {.name = "reason", .kind = WR_JSON_STRING, .ret = &out->reason},
        {.name = "booted", .kind = WR_JSON_BOOL, .ret = &out->booted},
    };

    *out = (struct wr_record){.reason = ""};
    int r = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, err);
    if (r < 0)
        return wr_wrap(err, "the engine's record of a sandbox");
    if (!wr_id_valid(out->id) || !wr_template_name_valid(out->template_name))
        return wr_fail(err, WR_E_INTERNAL, 0, "the engine's record of a sandbox has a bad name");
    if (!wr_pause_level_parse(level, &out->level))
        return wr_fail(err, WR_E_INTERNAL, 0, "the engine's record of a sandbox has a bad level");
    return 0;
}

int wr_record_fill(struct wr_sandbox *sandbox, const struct wr_record *seen, struct wr_error *err)
{
    if (!wr_strcopy(sandbox->template_name, sizeof sandbox->template_name, seen->template_name))
        return wr_fail(err, WR_E_INTERNAL, 0, "template name of sandbox %s", seen->id);
    sandbox->created_ms = seen->created_ms ? seen->created_ms : wr_wall_ms();
    sandbox->limits = seen->limits;
    sandbox->seen = true;
    wr_record_set_level(sandbox, seen);
    return 0;
}

void wr_record_set_level(struct wr_sandbox *sandbox, const struct wr_record *seen)
{
    sandbox->level = seen->level;
    sandbox->memory = seen->memory;
    sandbox->paused_ms = seen->paused_ms;
    sandbox->saved_bytes = seen->bytes;
    /* A long one is cut: it is for people. */
    if (!wr_strcopy(sandbox->pause_reason, sizeof sandbox->pause_reason, seen->reason))
        (void)!wr_strformat(sandbox->pause_reason, sizeof sandbox->pause_reason, "%.*s",
                            (int)wr_utf8_prefix(seen->reason, WR_PAUSE_REASON_LEN), seen->reason);
}

void wr_record_keep_fds(struct wr_sandbox *sandbox, const struct wr_record *seen, int *fds,
                        size_t count)
{
    size_t egress = WR_MIN((size_t)seen->egress, count);

    wr_sandbox_keep_sockets(sandbox, fds, count - egress);
    wr_sandbox_keep_egress(sandbox, fds + (count - egress), egress);
}

int wr_record_add(struct wr_server *server, const struct wr_record *seen, const char *team_id,
                  struct wr_sandbox **ret, struct wr_error *err)
{
    struct wr_sandbox *sandbox = NULL;

    int r = wr_sandbox_record_new(seen->id, &sandbox, err);
    if (r == 0)
        r = wr_record_fill(sandbox, seen, err);
    if (r == 0 && seen->level != WR_PAUSE_NONE)
        sandbox->state = WR_SANDBOX_PAUSED;
    if (r == 0)
        r = wr_sandbox_table_insert(server->sandboxes, sandbox, team_id, err);
    if (r < 0)
        wr_sandbox_record_free(sandbox);
    else
        *ret = sandbox;
    return r;
}
