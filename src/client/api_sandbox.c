#include "client/api_sandbox.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"
#include "client/pages.h"
#include "client/request.h"
#include "engine/action.h"
#include "json/jread.h"
#include "json/jwrite.h"

static int write_pairs(struct wr_jw *w, const char *key, const char *const *pairs, size_t count,
                       struct wr_error *err)
{
    if (count == 0)
        return 0;
    wr_jw_key(w, key);
    wr_jw_object(w);
    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(pairs[i], '=');
        if (!equals || equals == pairs[i])
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: %.60s is not NAME=value", key,
                           pairs[i]);
        wr_auto_free char *name = wr_strndup(pairs[i], (size_t)(equals - pairs[i]));
        if (!name)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "%s", key);
        wr_jw_kstr(w, name, equals + 1);
    }
    wr_jw_end(w);
    return 0;
}

/* A colon behind the path is there for ":ro" alone: what looks like another option is no path. */
static int write_volumes(struct wr_jw *w, const char *const *volumes, size_t count,
                         struct wr_error *err)
{
    if (count == 0)
        return 0;
    wr_jw_key(w, "volumeMounts");
    wr_jw_array(w);
    for (size_t i = 0; i < count; i++) {
        const char *colon = strchr(volumes[i], ':');
        const char *option = colon ? strchr(colon + 1, ':') : NULL;
        bool read_only = option && wr_streq(option, ":ro");
        if (!colon || colon == volumes[i] || colon[1] != '/' || (option && !read_only))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "volume: %.60s is not NAME:/PATH or NAME:/PATH:ro", volumes[i]);
        wr_jw_object(w);
        wr_jw_key(w, "name");
        wr_jw_strn(w, volumes[i], (size_t)(colon - volumes[i]));
        wr_jw_key(w, "path");
        wr_jw_strn(w, colon + 1, strlen(colon + 1) - (read_only ? 3 : 0));
        if (read_only)
            wr_jw_kbool(w, "readOnly", true);
        wr_jw_end(w);
    }
    wr_jw_end(w);
    return 0;
}

static void write_list(struct wr_jw *w, const char *key, const char *const *items, size_t count)
{
    if (count == 0)
        return;
    wr_jw_key(w, key);
    wr_jw_array(w);
    for (size_t i = 0; i < count; i++)
        wr_jw_str(w, items[i]);
    wr_jw_end(w);
}

static void write_network(struct wr_jw *w, const struct wr_api_sandbox_opts *opts)
{
    if (opts->no_internet)
        wr_jw_kbool(w, "allow_internet_access", false);
    if (opts->allow_out_count == 0 && opts->deny_out_count == 0 && !opts->group)
        return;
    wr_jw_key(w, "network");
    wr_jw_object(w);
    write_list(w, "allowOut", opts->allow_out, opts->allow_out_count);
    write_list(w, "denyOut", opts->deny_out, opts->deny_out_count);
    wr_jw_kstr(w, "group", opts->group);
    wr_jw_end(w);
}

static void write_limits(struct wr_jw *w, const struct wr_api_sandbox_opts *opts)
{
    const struct {
        const char *name;
        uint64_t value;
    } limits[] = {
        {"cpuMillis", opts->cpu_millis},
        {"memoryBytes", opts->memory_bytes},
        {"diskBytes", opts->disk_bytes},
        {"pids", opts->pids},
    };
    bool any = false;

    for (size_t i = 0; i < WR_ARRAY_SIZE(limits); i++)
        any = any || limits[i].value;
    if (!any)
        return;
    wr_jw_key(w, "limits");
    wr_jw_object(w);
    for (size_t i = 0; i < WR_ARRAY_SIZE(limits); i++)
        if (limits[i].value)
            wr_jw_ku64(w, limits[i].name, limits[i].value);
    wr_jw_end(w);
}

int wr_api_sandbox_write(struct wr_buf *out, const struct wr_api_sandbox_opts *opts,
                         struct wr_error *err)
{
    struct wr_jw w;

    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "templateID", opts->template_name);
    wr_jw_ku64(&w, "timeout", opts->timeout_s ? opts->timeout_s : WR_API_SANDBOX_TIMEOUT_S);
    if (opts->secure)
        wr_jw_kbool(&w, "secure", true);
    if (opts->auto_pause)
        wr_jw_kbool(&w, "autoPause", true);
    int r = write_pairs(&w, "envVars", opts->envs, opts->env_count, err);
    if (r == 0)
        r = write_pairs(&w, "metadata", opts->metadata, opts->metadata_count, err);
    if (r == 0)
        r = write_volumes(&w, opts->volumes, opts->volume_count, err);
    if (r < 0)
        return r;
    write_network(&w, opts);
    write_limits(&w, opts);
    wr_jw_end(&w);
    r = wr_jw_finish(&w);
    return r < 0 ? wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "variables, metadata and volumes are too large")
                 : 0;
}

int wr_api_sandbox_create(struct wr_transport *transport, const struct wr_api_sandbox_opts *opts,
                          char ret_id[static 21], json_t **ret, struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(WR_API_SANDBOX_MAX_REQUEST);
    wr_auto_json *answer = NULL;

    int r = wr_api_sandbox_write(&body, opts, err);
    if (r < 0)
        return r;
    struct wr_transport_request request = {.method = "POST",
                                           .target = "/sandboxes",
                                           .content_type = "application/json",
                                           .body = wr_buf_ptr(&body),
                                           .body_len = body.len};
    r = wr_transport_request_json(transport, &request, &answer, err);
    if (r == -WR_E_NOT_FOUND)
        return wr_fail(
            err, WR_E_NOT_FOUND, 0,
            "there is no template \"%.63s\"; `warren template ls` lists those that there "
            "are, `warren template make-base` makes \"base\"",
            opts->template_name);
    if (r < 0)
        return r;
    const char *id = json_string_value(json_object_get(answer, "sandboxID"));
    if (!id || !wr_id_valid(id))
        return wr_fail(err, WR_E_INTERNAL, 0, "the server's answer has no sandboxID");
    memcpy(ret_id, id, WR_ID_LEN + 1);
    if (ret)
        *ret = wr_steal_ptr(&answer);
    return 0;
}

int wr_api_sandbox_id_check(const char *id, struct wr_error *err)
{
    if (wr_id_valid(id))
        return 0;
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "\"%.60s\" is not a sandbox id (20 letters and digits, as `warren ps` shows)",
                   id);
}

int wr_api_sandbox_target(const char *id, const char *rest, char out[static WR_API_TARGET_MAX],
                          struct wr_error *err)
{
    int r = wr_api_sandbox_id_check(id, err);

    if (r < 0)
        return r;
    if (!wr_strformat(out, WR_API_TARGET_MAX, "/sandboxes/%s%s", id, rest))
        return wr_fail(err, WR_E_INTERNAL, 0, "path for sandbox %s", id);
    return 0;
}

int wr_api_sandbox_kill(struct wr_transport *transport, const char *id, struct wr_error *err)
{
    char target[WR_API_TARGET_MAX];
    struct wr_transport_request request = {.method = "DELETE", .target = target};

    int r = wr_api_sandbox_target(id, "", target, err);
    return r < 0 ? r : wr_transport_request(transport, &request, 0, NULL, err);
}

static int fetch_page(void *data, const char *target, struct wr_page *ret, struct wr_error *err)
{
    const struct wr_transport_request request = {.method = "GET", .target = target};
    struct wr_answer_field next = {
        .name = WR_PAGE_NEXT_FIELD, .out = ret->next, .cap = sizeof ret->next};
    const struct wr_transport_want want = {.fields = &next, .field_count = 1, .body = &ret->body};

    int r = wr_transport_ask(data, &request, &want, err);
    ret->has_next = next.there;
    return r;
}

int wr_api_pages(struct wr_transport *transport, const char *what, const char *target, json_t **ret,
                 struct wr_error *err)
{
    const struct wr_pages pages = {
        .what = what, .target = target, .fetch = fetch_page, .data = transport};

    return wr_pages_read(&pages, ret, err);
}

int wr_api_sandbox_list(struct wr_transport *transport, json_t **ret, struct wr_error *err)
{
    return wr_api_pages(transport, "list of sandboxes", "/v2/sandboxes?limit=100", ret, err);
}

int wr_api_sandbox_logs(struct wr_transport *transport, const char *id, struct wr_buf *ret,
                        struct wr_error *err)
{
    struct wr_transport_request request = {
        .method = "GET", .target = "/logs", .sandbox_id = id, .port = WR_AGENT_PORT};
    char unused[WR_API_TARGET_MAX];

    int r = wr_api_sandbox_target(id, "", unused, err);
    return r < 0 ? r : wr_transport_request(transport, &request, 0, ret, err);
}

int wr_api_sandbox_explain_cut(struct wr_transport *transport, const char *id, struct wr_error *err)
{
    char target[WR_API_TARGET_MAX];
    struct wr_transport_request request = {.method = "GET", .target = target};
    struct wr_error why = {0};

    if (err->code == WR_E_UNAVAILABLE && wr_api_sandbox_target(id, "", target, &why) == 0 &&
        wr_transport_request(transport, &request, 0, NULL, &why) == -WR_E_NOT_FOUND)
        return wr_fail(err, WR_E_ABORTED, 0,
                       "sandbox %s ended while the program ran (killed, its deadline, or out of "
                       "memory)",
                       id);
    return -err->code;
}
