#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rand.h"
#include "base/str.h"
#include "client/api_sandbox.h"
#include "client/handles.h"
#include "client/remote.h"
#include "client/remote_access.h"
#include "client/remote_list.h"
#include "client/remote_ops.h"
#include "json/jread.h"
#include "json/value.h"

/* In a sandbox's metadata: which request for it was whose. */
#define CREATE_KEY      "warren.create"
#define CREATE_MARK_LEN 16

/* ---- its end ---- */

/* One that is gone is success. */
static int kill_by_id(struct wr_remote_use *use, const char *id, struct wr_error *err)
{
    char target[WR_REMOTE_TARGET_MAX];
    const struct wr_transport_request request = {.method = "DELETE", .target = target};
    struct wr_error why = {0};

    int r = wr_remote_sandbox_target(id, "", target, err);
    if (r < 0)
        return r;
    r = wr_remote_json(use, &request, NULL, &why);
    if (r == 0 || r == -WR_E_NOT_FOUND)
        return 0;
    *err = why;
    return r;
}

/* ---- creation ---- */

static struct wr_api_sandbox_opts to_request(const struct wr_sandbox_opts *opts)
{
    return (struct wr_api_sandbox_opts){
        .template_name = opts->template_name,
        .timeout_s = opts->timeout_s,
        .cpu_millis = opts->cpu_millis,
        .memory_bytes = opts->memory_bytes,
        .envs = opts->envs,
        .env_count = opts->env_count,
        .metadata = opts->metadata,
        .metadata_count = opts->metadata_count,
        .no_internet = opts->no_internet,
        .secure = true,
        .auto_pause = opts->auto_pause,
        .allow_out = opts->allow_out,
        .deny_out = opts->deny_out,
        .allow_out_count = opts->allow_out_count,
        .deny_out_count = opts->deny_out_count,
        .volumes = opts->volumes,
        .volume_count = opts->volume_count,
    };
}

/* Whether a sandbox may exist that nobody will ever know of. */
static bool may_have_been_made(const struct wr_error *err)
{
    /* A connection that did not come about carried no request. */
    static const int not_connected[] = {ENOENT, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH};

    for (size_t i = 0; i < WR_ARRAY_SIZE(not_connected); i++)
        if (err->os_errno == not_connected[i])
            return false;
    return err->code == WR_E_UNAVAILABLE || err->code == WR_E_DEADLINE_EXCEEDED ||
           err->code == WR_E_CANCELED;
}

/* A server that does not know the filter, or does not apply it, lists all sandboxes there are. */
static bool has_mark(const json_t *item, const char *mark)
{
    const char *its =
        json_string_value(json_object_get(json_object_get(item, "metadata"), CREATE_KEY));

    return its && wr_streq(its, mark + strlen(CREATE_KEY "="));
}

/* Kills what a request has made whose answer did not arrive. The server may still be at it, so it
 * is asked more than once; a Warren on this machine ends such a sandbox itself. */
static void kill_lost(struct wr_remote_use *use, const char *mark)
{
    static const uint64_t pauses_ms[] = {0, 300, 700};
    size_t rounds = use->remote->backend == WR_BACKEND_E2B ? WR_ARRAY_SIZE(pauses_ms) : 1;
    struct wr_error ignored = {0};
    bool killed = false;

    wr_remote_rush(use, WR_REMOTE_CLEAN_UP_MS);
    for (size_t i = 0; i < rounds && !killed; i++) {
        wr_auto_json *list = NULL;
        const json_t *item;
        size_t k;
        if (wr_remote_sleep(use, pauses_ms[i], "", &ignored) < 0 ||
            wr_remote_list(use, &mark, 1, &list, &ignored) < 0)
            return;
        json_array_foreach(list, k, item) {
            struct wr_sandbox_access access = {0};
            if (!has_mark(item, mark))
                continue;
            if (wr_remote_access_id(item, access.id, &ignored) == 0)
                (void)!kill_by_id(use, access.id, &ignored);
            killed = true;
        }
    }
}

static int create(struct wr_remote_use *use, const struct wr_api_sandbox_opts *opts,
                  const char *mark, struct wr_sandbox_access *ret, struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(WR_API_SANDBOX_MAX_REQUEST);
    json_t *answer = NULL;

    int r = wr_api_sandbox_write(&body, opts, err);
    if (r < 0)
        return r;
    const char *text = wr_buf_cstr(&body);
    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "request for a sandbox");
    r = wr_remote_post(use, "/sandboxes", text, &answer, err);
    bool made = r == 0 || may_have_been_made(err);
    if (r == 0)
        r = wr_remote_access_take(use->remote, answer, ret, err);
    if (r < 0 && made)
        kill_lost(use, mark);
    wr_remote_access_wipe(answer);
    return r;
}

int wr_remote_sandbox_create(void *self, const struct wr_call *call,
                             const struct wr_sandbox_opts *opts, struct wr_sandbox_access *ret,
                             struct wr_error *err)
{
    struct wr_api_sandbox_opts request = to_request(opts);
    wr_auto_free const char **metadata = wr_calloc(opts->metadata_count + 1, sizeof metadata[0]);
    char mark[sizeof CREATE_KEY "=" + CREATE_MARK_LEN] = CREATE_KEY "=";
    struct wr_remote_use use = {0};

    if (!metadata)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "request for a sandbox");
    wr_random_id(mark + strlen(mark), CREATE_MARK_LEN);
    request.metadata = metadata;
    request.metadata_count = 0;
    /* Metadata that came from another sandbox has its mark. */
    for (size_t i = 0; i < opts->metadata_count; i++)
        if (!wr_starts_with(opts->metadata[i], CREATE_KEY "="))
            metadata[request.metadata_count++] = opts->metadata[i];
    metadata[request.metadata_count++] = mark;
    int r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = create(&use, &request, mark, ret, err);
    wr_remote_end(&use);
    return r;
}

/* ---- of one sandbox ---- */

int wr_remote_sandbox_connect(void *self, const struct wr_call *call, const char *id,
                              uint64_t timeout_s, struct wr_sandbox_access *ret,
                              struct wr_error *err)
{
    char target[WR_REMOTE_TARGET_MAX], body[64];
    struct wr_remote_use use = {0};
    json_t *answer = NULL;

    int r = wr_remote_sandbox_target(id, "/connect", target, err);
    if (r == 0 &&
        !wr_strformat(body, sizeof body, "{\"timeout\":%llu}", (unsigned long long)timeout_s))
        r = wr_fail(err, WR_E_INTERNAL, 0, "request for sandbox %s", id);
    if (r == 0)
        r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_post(&use, target, body, &answer, err);
    if (r == 0)
        r = wr_remote_access_take(self, answer, ret, err);
    wr_remote_access_wipe(answer);
    wr_remote_end(&use);
    return r;
}

int wr_remote_sandbox_kill(void *self, const struct wr_call *call, struct wr_error *err)
{
    struct wr_remote_use use = {0};

    int r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = kill_by_id(&use, call->sandbox->id, err);
    wr_remote_end(&use);
    return r;
}

int wr_remote_sandbox_set_timeout(void *self, const struct wr_call *call, uint64_t timeout_s,
                                  struct wr_error *err)
{
    char body[64];

    if (!wr_strformat(body, sizeof body, "{\"timeout\":%llu}", (unsigned long long)timeout_s))
        return wr_fail(err, WR_E_INTERNAL, 0, "request for a timeout");
    return wr_remote_sandbox_post(self, call, "/timeout", body, NULL, err);
}

static int get_from(void *self, const struct wr_call *call, const char *rest, json_type type,
                    struct wr_value **ret, struct wr_error *err)
{
    struct wr_remote_use use = {0};
    char target[WR_REMOTE_TARGET_MAX];
    json_t *answer = NULL;

    int r = wr_remote_sandbox_target(call->sandbox->id, rest, target, err);
    if (r == 0)
        r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_get(&use, target, &answer, err);
    wr_remote_end(&use);
    if (r == 0 && (!answer || json_typeof(answer) != type))
        r = wr_fail(err, WR_E_INTERNAL, 0, "GET %s: the answer is no %s", target,
                    type == JSON_OBJECT ? "object" : "array");
    if (r == 0)
        *ret = wr_value_of_json(answer);
    else
        json_decref(answer);
    return r;
}

int wr_remote_sandbox_info(void *self, const struct wr_call *call, struct wr_value **ret,
                           struct wr_error *err)
{
    struct wr_value *info = NULL;

    int r = get_from(self, call, "", JSON_OBJECT, &info, err);
    if (r < 0)
        return r;
    /* A value may be shown and stored; what opens the sandbox is in the handle. */
    json_object_del(wr_value_json(info), "envdAccessToken");
    json_object_del(wr_value_json(info), "trafficAccessToken");
    *ret = info;
    return 0;
}

int wr_remote_sandbox_metrics(void *self, const struct wr_call *call, struct wr_value **ret,
                              struct wr_error *err)
{
    return get_from(self, call, "/metrics", JSON_ARRAY, ret, err);
}
