#include "server/pausing_engine.h"

#include <errno.h>

#include "base/alloc.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "server/create_action.h"
#include "server/server.h"

/* ---- environment ---- */

struct env_reading {
    json_t *env;
    struct wr_error *err;
    int r;
};

static void read_env(const struct wr_store_sandbox *row, void *data)
{
    struct env_reading *reading = data;
    struct wr_error why = {0};

    reading->r = wr_json_parse(row->env, strlen(row->env), &reading->env, &why);
    if (reading->r == 0 && !json_is_object(reading->env))
        reading->r = wr_fail(&why, WR_E_DATA_LOSS, 0, "not an object");
    if (reading->r < 0)
        reading->r = wr_fail(reading->err, WR_E_DATA_LOSS, 0, "environment of sandbox %s: %.120s",
                             row->id, why.msg);
}

int wr_pausing_env(struct wr_server *server, const char *id, json_t **ret, struct wr_error *err)
{
    struct env_reading reading = {.err = err};

    int r = wr_store_sandbox_get(server->store, id, read_env, &reading, err);
    if (r == 0)
        r = reading.r;
    if (r < 0)
        json_decref(reading.env);
    else
        *ret = reading.env;
    return r;
}

/* ---- requests ---- */

static void write_boot(struct wr_jw *w, const struct wr_sandbox *sandbox, const json_t *env)
{
    const char *key;
    json_t *value;

    wr_jw_key(w, "envVars");
    wr_jw_object(w);
    json_object_foreach((json_t *)(uintptr_t)env, key, value)
        wr_jw_kstr(w, key, json_string_value(value));
    wr_jw_end(w);
    if (*sandbox->envd_token)
        wr_jw_kstr(w, "accessToken", sandbox->envd_token);
    if (*sandbox->control_token)
        wr_jw_kstr(w, "controlToken", sandbox->control_token);
}

static int write_request(const struct wr_pausing_request *request, const json_t *env,
                         struct wr_buf *out)
{
    struct wr_jw w;

    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "id", request->sandbox->id);
    if (request->action == WR_ACTION_PAUSE) {
        wr_jw_kstr(&w, "level", wr_pause_level_name(request->level));
    } else {
        wr_jw_ku64(&w, "sockets", WR_CREATE_SOCKETS);
        wr_jw_kbool(&w, "egress", true);
    }
    if (request->action == WR_ACTION_ROLLBACK)
        wr_jw_kstr(&w, "snapshot", request->snapshot_id);
    else
        wr_jw_kbool(&w, "memory", request->memory);
    if (env)
        write_boot(&w, request->sandbox, env);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}

/* A rollback may be to files only. */
static bool may_boot(const struct wr_pausing_request *request)
{
    return request->action == WR_ACTION_ROLLBACK ||
           (request->action == WR_ACTION_RESUME && !(request->memory && request->sandbox->memory));
}

int wr_pausing_ask(struct wr_server *server, const struct wr_pausing_request *request,
                   wr_engine_fn fn, void *data, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(WR_ACTION_MAX);
    wr_auto_json *env = NULL;

    int r = may_boot(request) ? wr_pausing_env(server, request->sandbox->id, &env, err) : 0;
    if (r < 0)
        return r;
    r = write_request(request, env, &json);
    r = r < 0 ? wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "request for sandbox %s",
                        request->sandbox->id)
              : wr_record_call(server, request->action, &json, fn, data, err);
    if (json.data)
        explicit_bzero(json.data, json.cap);
    return r;
}

int wr_pausing_read(const json_t *json, struct wr_record *out, struct wr_error *err)
{
    struct wr_record seen = {.reason = ""};
    const char *level = "";
    const struct wr_json_field fields[] = {
        {.name = "level", .kind = WR_JSON_STRING, .required = true, .ret = &level, .max = 16},
        {.name = "memory", .kind = WR_JSON_BOOL, .required = true, .ret = &seen.memory},
        {.name = "pausedMs", .kind = WR_JSON_U64, .required = true, .ret = &seen.paused_ms},
        {.name = "bytes", .kind = WR_JSON_U64, .ret = &seen.bytes},
        {.name = "reason", .kind = WR_JSON_STRING, .ret = &seen.reason},
    };

    int r = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, err);
    if (r < 0)
        return wr_wrap(err, "the engine's answer to a pause");
    if (!wr_pause_level_parse(level, &seen.level) || seen.level == WR_PAUSE_NONE)
        return wr_fail(err, WR_E_INTERNAL, 0, "the engine's answer to a pause has a bad level");
    *out = seen;
    return 0;
}

/* ---- a look ---- */

struct look {
    wr_pausing_seen_fn fn;
    void *data;
    char id[WR_ID_LEN + 1];
};

/* NULL when it is not in the list. */
static const json_t *find(const json_t *list, const char *id)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
        if (wr_streq(json_string_value(json_object_get(item, "id")), id))
            return item;
    return NULL;
}

static void on_list(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct look *look = data;
    struct wr_error own = {0};
    struct wr_record seen;

    const json_t *item = error ? NULL : find(json_object_get(reply->json, "sandboxes"), look->id);
    if (item && wr_record_read(item, &seen, &own) < 0)
        error = &own;
    look->fn(item && !error ? &seen : NULL, error, look->data);
    free(look);
}

int wr_pausing_look(struct wr_server *server, const char *id, wr_pausing_seen_fn fn, void *data,
                    struct wr_error *err)
{
    char text[64];
    wr_auto_buf json = WR_BUF(sizeof text);
    struct look *look = wr_calloc(1, sizeof *look);

    if (!look)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "look at sandbox %s", id);
    look->fn = fn;
    look->data = data;
    memcpy(look->id, id, sizeof look->id);
    /* From the id without its last character on: that sorts right before it, so that it is in the
     * first page. Ids are of [a-z0-9]: nothing to escape. */
    int r = 0;
    if (!wr_strformat(text, sizeof text, "{\"after\":\"%.*s\"}", WR_ID_LEN - 1, id) ||
        wr_buf_append_str(&json, text) < 0)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "look at sandbox %s", id);
    if (r == 0)
        r = wr_record_call(server, WR_ACTION_LIST, &json, on_list, look, err);
    if (r < 0)
        free(look);
    return r;
}
