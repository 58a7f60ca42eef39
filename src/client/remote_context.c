#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "client/interpreter.h"
#include "client/remote.h"
#include "client/remote_ops.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "json/value.h"

#define MAX_BODY   ((size_t)16 * 1024)
#define TARGET_MAX (WR_CONTEXT_ID_MAX + 32)

struct context_request {
    const char *method, *target;
    const struct wr_buf *body; /* NULL: none */
};

/* `ret` NULL: the answer is not looked at. */
static int ask(void *self, const struct wr_call *call, const struct context_request *what,
               json_t **ret, struct wr_error *err)
{
    struct wr_transport_request request =
        wr_remote_inside(call, WR_INTERPRETER_PORT, what->method, what->target);
    struct wr_remote_patience patience = {0};
    struct wr_remote_use use = {0};

    request.text_errors = true;
    if (what->body) {
        request.content_type = "application/json";
        request.body = wr_buf_ptr(what->body);
        request.body_len = what->body->len;
    }
    int r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_check_reach(&use, call, err);
    if (r == 0) {
        do
            r = wr_remote_json(&use, &request, ret, err);
        while (r < 0 && wr_remote_again(&use, call, &patience, err));
        if (r < 0)
            r = wr_remote_explain(&use, call, "its interpreter was asked", err);
    }
    wr_remote_end(&use);
    return r;
}

int wr_remote_context_create(void *self, const struct wr_call *call,
                             const struct wr_context_spec *spec,
                             char ret_id[static WR_CONTEXT_ID_MAX], struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(MAX_BODY);
    const struct context_request request = {"POST", "/contexts", &body};
    wr_auto_json *answer = NULL;
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "language", spec->language);
    wr_jw_kstr(&w, "cwd", spec->cwd);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, -r, "language or directory is too long");
    r = ask(self, call, &request, &answer, err);
    if (r < 0)
        return r;
    const char *id = json_string_value(json_object_get(answer, "id"));
    if (!id || !*id || strlen(id) >= WR_CONTEXT_ID_MAX)
        return wr_fail(err, WR_E_INTERNAL, 0, "the interpreter gave no id of the context");
    memcpy(ret_id, id, strlen(id) + 1);
    return 0;
}

int wr_remote_context_list(void *self, const struct wr_call *call, struct wr_value **ret,
                           struct wr_error *err)
{
    const struct context_request request = {"GET", "/contexts", NULL};
    wr_auto_json *answer = NULL;

    int r = ask(self, call, &request, &answer, err);
    if (r == 0 && !json_is_array(answer))
        r = wr_fail(err, WR_E_INTERNAL, 0, "the interpreter gave no list of contexts");
    if (r == 0)
        *ret = wr_value_of_json(json_incref(answer));
    return r;
}

static int on_one(void *self, const struct wr_call *call, const char *id,
                  const struct context_request *how, struct wr_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    char target[TARGET_MAX];
    const struct context_request request = {how->method, target, NULL};

    if (!wr_str_only(id, letters, 1, WR_CONTEXT_ID_MAX - 1) ||
        !wr_strformat(target, sizeof target, "/contexts/%s%s", id, how->target))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.60s is not the id of a context", id);
    return ask(self, call, &request, NULL, err);
}

int wr_remote_context_restart(void *self, const struct wr_call *call, const char *id,
                              struct wr_error *err)
{
    return on_one(self, call, id, &(struct context_request){"POST", "/restart", NULL}, err);
}

int wr_remote_context_remove(void *self, const struct wr_call *call, const char *id,
                             struct wr_error *err)
{
    return on_one(self, call, id, &(struct context_request){"DELETE", "", NULL}, err);
}
