#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "client/answer_error.h"
#include "client/persist_request.h"
#include "client/remote.h"
#include "client/remote_access.h"
#include "client/remote_ops.h"
#include "json/jread.h"
#include "json/value.h"

#define LEVEL_MAX  32
#define REASON_MAX 512

/* ---- pause ---- */

static int set_text(json_t *object, const char *name, const char *text)
{
    return text && *text ? json_object_set_new(object, name, json_string(text)) : 0;
}

/* One that was paused already: its level is in what the server says about it. */
static int ask_level(struct wr_remote_use *use, const char *id, json_t *ret, struct wr_error *err)
{
    wr_auto_json *info = NULL;
    char target[WR_REMOTE_TARGET_MAX];

    int r = wr_remote_sandbox_target(id, "", target, err);
    if (r == 0)
        r = wr_remote_get(use, target, &info, err);
    if (r < 0)
        return r;
    const json_t *pause = json_object_get(info, "pause");
    if (set_text(ret, "level", json_string_value(json_object_get(pause, "level"))) < 0 ||
        set_text(ret, "reason", json_string_value(json_object_get(pause, "reason"))) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "pause");
    return 0;
}

static int pause(struct wr_remote_use *use, const char *id, const char *body, json_t *ret,
                 struct wr_error *err)
{
    char target[WR_REMOTE_TARGET_MAX], level[LEVEL_MAX] = "", reason[REASON_MAX] = "";
    struct wr_answer_field fields[] = {
        {.name = WR_PAUSE_LEVEL_FIELD, .out = level, .cap = sizeof level},
        {.name = WR_PAUSE_REASON_FIELD, .out = reason, .cap = sizeof reason},
    };
    struct wr_remote_answer answer = {
        .fields = fields, .field_count = WR_ARRAY_SIZE(fields), .body = WR_BUF(WR_REMOTE_JSON_MAX)};
    const struct wr_transport_request request = {.method = "POST",
                                                 .target = target,
                                                 .content_type = "application/json",
                                                 .body = body,
                                                 .body_len = strlen(body)};
    struct wr_error why = {0};

    int r = wr_remote_sandbox_target(id, "/pause", target, err);
    if (r < 0)
        return r;
    r = wr_remote_request(use, &request, &answer, &why);
    wr_buf_done(&answer.body);
    /* 409: it is paused already. */
    if (r == -WR_E_ALREADY_EXISTS)
        return ask_level(use, id, ret, err);
    if (r < 0) {
        *err = why;
        return r;
    }
    return set_text(ret, "level", level) < 0 || set_text(ret, "reason", reason) < 0
               ? wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "pause")
               : 0;
}

int wr_remote_sandbox_pause(void *self, const struct wr_call *call,
                            const struct wr_pause_opts *opts, struct wr_value **ret,
                            struct wr_error *err)
{
    wr_auto_json *result = json_object();
    struct wr_remote_use use = {0};
    char body[WR_PERSIST_BODY_MAX];

    if (!result)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "pause");
    int r = wr_pause_body(opts, body, err);
    if (r == 0)
        r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = pause(&use, call->sandbox->id, body, result, err);
    wr_remote_end(&use);
    if (r == 0)
        *ret = wr_value_of_json(json_incref(result));
    return r;
}

/* ---- resume, rollback ---- */

/* A POST whose answer is the sandbox, under the tokens that its handle has. */
static int post_for_itself(void *self, const struct wr_call *call, const char *rest,
                           const char *body, struct wr_error *err)
{
    json_t *answer = NULL;
    char id[WR_SANDBOX_ID_MAX];

    int r = wr_remote_sandbox_post(self, call, rest, body, &answer, err);
    if (r == 0)
        r = wr_remote_access_id(answer, id, err);
    wr_remote_access_wipe(answer);
    return r;
}

int wr_remote_sandbox_resume(void *self, const struct wr_call *call,
                             const struct wr_resume_opts *opts, struct wr_error *err)
{
    char body[WR_PERSIST_BODY_MAX];

    int r = wr_resume_body(opts, body, err);
    return r < 0 ? r : post_for_itself(self, call, "/connect", body, err);
}

int wr_remote_sandbox_rollback(void *self, const struct wr_call *call, const char *snapshot_id,
                               uint64_t timeout_s, struct wr_error *err)
{
    char body[WR_PERSIST_BODY_MAX];

    int r = wr_rollback_body(snapshot_id, timeout_s, body, err);
    return r < 0 ? r : post_for_itself(self, call, "/rollback", body, err);
}

/* ---- fork ---- */

/* Why one of them was not made: an object as the body of an answer that is an error has it. */
static void take_failure(const json_t *item, struct wr_error *err)
{
    const json_t *error = json_object_get(item, "error");
    json_int_t code = json_integer_value(json_object_get(error, "code"));
    wr_auto_free char *text = json_dumps(error, JSON_COMPACT);

    wr_answer_error(code >= 400 && code <= 599 ? (int)code : 500, text ? text : "",
                    text ? strlen(text) : 0, err);
}

/* Each item is a sandbox or an error. What is in `err` afterwards is of one that was not made. */
static int take_forks(const struct wr_remote *remote, const json_t *answer, size_t max,
                      struct wr_sandbox_access *ret, size_t *ret_made, struct wr_error *err)
{
    struct wr_error why = {0};
    const json_t *item;
    size_t i, made = 0;

    json_array_foreach(answer, i, item) {
        const json_t *sandbox = json_object_get(item, "sandbox");
        if (made == max)
            break;
        if (!sandbox)
            take_failure(item, &why);
        else if (wr_remote_access_take(remote, sandbox, &ret[made], &why) == 0)
            made++;
    }
    if (made < max && why.code == WR_OK)
        (void)wr_fail(&why, WR_E_INTERNAL, 0, "the server made %zu of %zu forks", made, max);
    if (made < max)
        *err = why;
    if (made == 0)
        return -err->code;
    *ret_made = made;
    return 0;
}

int wr_remote_sandbox_fork(void *self, const struct wr_call *call, const struct wr_fork_opts *opts,
                           struct wr_sandbox_access *ret, size_t *ret_made, struct wr_error *err)
{
    char body[WR_PERSIST_BODY_MAX];
    json_t *answer = NULL, *item;
    size_t i;

    int r = wr_fork_body(opts, body, err);
    if (r == 0)
        r = wr_remote_sandbox_post(self, call, "/fork", body, &answer, err);
    if (r == 0)
        r = take_forks(self, answer, opts->count, ret, ret_made, err);
    json_array_foreach(answer, i, item)
        wr_remote_access_wipe(json_incref(json_object_get(item, "sandbox")));
    json_decref(answer);
    return r;
}
