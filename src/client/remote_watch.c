#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "client/connect_call.h"
#include "client/remote.h"
#include "client/remote_ops.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "json/value.h"

#define MAX_MESSAGE ((size_t)16 * 1024)

struct watch {
    const struct wr_watch *what;
    struct wr_rpc *rpc;
    bool enough; /* the caller's function has said so */
    bool ended;
    struct wr_error error;
};

static const char *type_name(const char *type)
{
    static const struct {
        const char *theirs, *ours;
    } names[] = {
        {"EVENT_TYPE_CREATE", "create"}, {"EVENT_TYPE_WRITE", "write"},
        {"EVENT_TYPE_REMOVE", "remove"}, {"EVENT_TYPE_RENAME", "rename"},
        {"EVENT_TYPE_CHMOD", "chmod"},
    };

    for (size_t i = 0; type && i < WR_ARRAY_SIZE(names); i++)
        if (wr_streq(names[i].theirs, type))
            return names[i].ours;
    return NULL;
}

static void on_message(struct wr_rpc *rpc, const json_t *message, void *data)
{
    struct watch *watch = data;
    const json_t *event = json_object_get(message, "filesystem");
    const char *type = type_name(json_string_value(json_object_get(event, "type")));
    const char *name = json_string_value(json_object_get(event, "name"));
    wr_auto_value *value = NULL;

    (void)rpc;
    if (!type || !name || watch->enough || watch->error.code != WR_OK)
        return;
    value = wr_value_object();
    if (wr_value_set(value, "name", wr_value_of_string(name), &watch->error) == 0 &&
        wr_value_set(value, "type", wr_value_of_string(type), &watch->error) == 0)
        watch->enough = watch->what->fn(value, watch->what->data) != 0;
}

static void on_end(struct wr_rpc *rpc, const struct wr_error *error, void *data)
{
    struct watch *watch = data;

    (void)rpc;
    watch->rpc = NULL;
    watch->ended = true;
    if (error)
        watch->error = *error;
    else if (watch->error.code == WR_OK)
        (void)wr_fail(&watch->error, WR_E_UNAVAILABLE, 0, "the watch ended on the other side");
}

static int write_message(struct wr_buf *out, const struct wr_watch *what, struct wr_error *err)
{
    struct wr_jw w;

    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "path", what->path);
    wr_jw_kbool(&w, "recursive", what->recursive);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    return r < 0 ? wr_fail(err, WR_E_INVALID_ARGUMENT, -r, "path %.60s...: too long", what->path)
                 : 0;
}

int wr_remote_file_watch(void *self, const struct wr_call *call, const struct wr_watch *what,
                         struct wr_error *err)
{
    static const struct wr_rpc_stream_ops ops = {.on_message = on_message, .on_end = on_end};
    const struct wr_sandbox_access *access = call->sandbox;
    wr_auto_buf message = WR_BUF(MAX_MESSAGE);
    struct watch watch = {.what = what};
    struct wr_remote_use use = {0};

    int r = write_message(&message, what, err);
    if (r < 0)
        return r;
    const struct wr_rpc_request request = {
        .sandbox_id = access->id,
        .path = "/filesystem.Filesystem/WatchDir",
        .sandbox_domain = access->domain[0] ? access->domain : NULL,
        .access_token = access->access_token[0] ? access->access_token : NULL,
        .user = call->user,
        .message = wr_buf_ptr(&message),
        .message_len = message.len,
    };
    r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_check_reach(&use, call, err);
    if (r == 0)
        r = wr_rpc_stream(use.transport, &request, &ops, &watch, &watch.rpc, err);
    while (r == 0 && !watch.ended && !watch.enough && watch.error.code == WR_OK)
        r = wr_remote_step(&use, "watch", err);
    wr_rpc_cancel(watch.rpc);
    if (r == 0 && !watch.enough) {
        *err = watch.error;
        r = wr_remote_explain(&use, call, "its files were watched", err);
    }
    wr_remote_end(&use);
    return r;
}
