#include "server/lifecycle.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/ingress/upstream.h"
#include "server/owner.h"
#include "server/records.h"
#include "server/server.h"

#define KILL_RETRY_MS 1000

struct create_op {
    struct wr_server *server;
    wr_create_fn fn;
    void *data;
    uint64_t deadline_ms;
    json_t *metadata; /* owned */
};

struct done_op {
    struct wr_server *server;
    wr_done_fn fn;
    void *data;
    char id[WR_ID_LEN + 1];
};

/* {"id": id} and, with `owner`, the owner text. */
static int call_with_id(struct wr_server *server, enum wr_action action, const char *id,
                        struct wr_buf *owner, struct done_op *op, wr_engine_fn fn,
                        struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(WR_ACTION_MAX);
    struct wr_jw w;

    wr_jw_init(&w, &json);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "id", id);
    if (owner) {
        wr_jw_key(&w, "owner");
        wr_jw_strn(&w, wr_buf_ptr(owner), owner->len);
    }
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "request for sandbox %s", id);
    return wr_record_call(server, action, &json, fn, op, err);
}

/* ---- deadline ---- */

static void on_deadline(struct wr_timer *timer, void *data);

/* The timer finds its sandbox by its own address; `data` is the server. */
void wr_lifecycle_arm(struct wr_server *server, struct wr_sandbox *sandbox, uint64_t delay_ms)
{
    struct wr_error error = {0};

    if (wr_timer_start(server->loop, &sandbox->deadline, delay_ms, on_deadline, server, &error) < 0)
        wr_log(WR_LOG_ERROR, "no timer for the deadline of a sandbox", "sandbox", sandbox->id,
               "error", error.msg, NULL);
}

static void on_deadline(struct wr_timer *timer, void *data)
{
    struct wr_server *server = data;
    struct wr_sandbox *sandbox = wr_container_of(timer, struct wr_sandbox, deadline);
    struct wr_error error = {0};

    if (sandbox->state == WR_SANDBOX_RUNNING)
        wr_log(WR_LOG_INFO, "sandbox reached its deadline", "sandbox", sandbox->id, NULL);
    if (wr_lifecycle_kill(server, sandbox, NULL, NULL, &error) < 0)
        wr_log(WR_LOG_WARN, "kill at the deadline failed, trying again", "sandbox", sandbox->id,
               "error", error.msg, NULL);
}

/* ---- create ---- */

/* Nobody will ever know this id: removed without a record. */
static void on_orphan_killed(const struct wr_engine_reply *reply, const struct wr_error *error,
                             void *data)
{
    (void)reply;
    (void)data;
    if (error && error->code != WR_E_NOT_FOUND)
        wr_log(WR_LOG_WARN, "a sandbox without a record was not killed", "error", error->msg, NULL);
}

void wr_lifecycle_kill_orphan(struct wr_server *server, const char *id)
{
    struct wr_error error = {0};

    if (call_with_id(server, WR_ACTION_KILL, id, NULL, NULL, on_orphan_killed, &error) < 0)
        wr_log(WR_LOG_WARN, "a sandbox without a record was not killed", "sandbox", id, "error",
               error.msg, NULL);
}

static void on_created(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct create_op *op = data;
    struct wr_server *server = op->server;
    struct wr_sandbox *sandbox = NULL;
    struct wr_record seen;
    struct wr_error own = {0};

    if (!error) {
        int r = wr_record_read(reply->json, &seen, &own);
        if (r == 0) {
            r = wr_record_add(server, &seen, &sandbox, &own);
            if (r < 0)
                wr_lifecycle_kill_orphan(server, seen.id);
        }
        if (r < 0)
            error = &own;
    }
    if (!error) {
        uint64_t now = wr_wall_ms();
        sandbox->deadline_ms = op->deadline_ms;
        sandbox->metadata = wr_steal_ptr(&op->metadata);
        wr_sandbox_keep_sockets(sandbox, reply->fds, reply->fd_count);
        wr_lifecycle_arm(server, sandbox,
                         sandbox->deadline_ms > now ? sandbox->deadline_ms - now : 0);
    }
    op->fn(sandbox, error, op->data);
    json_decref(op->metadata);
    free(op);
}

/* Without an id: the engine has sandboxes prepared under ids of its own. */
static void write_create(struct wr_jw *w, const struct wr_create_spec *spec, struct wr_buf *owner)
{
    const struct {
        const char *name;
        uint64_t value;
    } limits[] = {
        {"cpuMillis", spec->limits.cpu_millis}, {"memoryBytes", spec->limits.memory_bytes},
        {"diskBytes", spec->limits.disk_bytes}, {"pids", spec->limits.pids},
        {"openFiles", spec->limits.open_files},
    };
    const char *key;
    json_t *value;

    wr_jw_object(w);
    wr_jw_kstr(w, "template", spec->template_name);
    for (size_t i = 0; i < WR_ARRAY_SIZE(limits); i++)
        if (limits[i].value)
            wr_jw_ku64(w, limits[i].name, limits[i].value);
    if (spec->env_vars) {
        wr_jw_key(w, "envVars");
        wr_jw_object(w);
        json_object_foreach((json_t *)(uintptr_t)spec->env_vars, key, value)
            wr_jw_kstr(w, key, json_string_value(value));
        wr_jw_end(w);
    }
    wr_jw_key(w, "owner");
    wr_jw_strn(w, wr_buf_ptr(owner), owner->len);
    wr_jw_ku64(w, "sockets", WR_CREATE_SOCKETS);
    wr_jw_end(w);
}

int wr_lifecycle_create(struct wr_server *server, const struct wr_create_spec *spec,
                        wr_create_fn fn, void *data, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(WR_ACTION_MAX);
    wr_auto_buf owner = WR_BUF(WR_ACTION_MAX_OWNER);
    struct wr_jw w;

    if (server->draining)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the server is ending; try again");
    if (wr_sandbox_table_count(server->sandboxes) + wr_engine_pending(server->engine) >=
        WR_SERVER_MAX_SANDBOXES)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "you have reached the maximum number of concurrent sandboxes (%d)",
                       WR_SERVER_MAX_SANDBOXES);

    struct create_op *op = wr_calloc(1, sizeof *op);
    if (!op)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "create");
    op->server = server;
    op->fn = fn;
    op->data = data;
    op->deadline_ms = wr_wall_ms() + spec->timeout_ms;
    op->metadata = json_incref(spec->metadata);

    int r = wr_owner_write(&owner, op->deadline_ms, spec->metadata, err);
    if (r == 0) {
        wr_jw_init(&w, &json);
        write_create(&w, spec, &owner);
        r = wr_jw_finish(&w);
        if (r < 0)
            r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "envVars and metadata are too large");
    }
    if (r == 0)
        r = wr_record_call(server, WR_ACTION_CREATE, &json, on_created, op, err);
    if (r < 0) {
        json_decref(op->metadata);
        free(op);
    }
    return r;
}

/* ---- kill ---- */

static void on_killed(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct done_op *op = data;
    struct wr_sandbox *sandbox = wr_sandbox_table_find(op->server->sandboxes, op->id);

    (void)reply;
    if (error && error->code == WR_E_NOT_FOUND)
        error = NULL;
    if (!error && sandbox) {
        wr_log(WR_LOG_INFO, "sandbox killed", "sandbox", op->id, NULL);
        wr_record_remove(op->server, sandbox);
    }
    if (error && sandbox) {
        wr_log(WR_LOG_WARN, "kill failed, trying again", "sandbox", op->id, "error", error->msg,
               NULL);
        wr_lifecycle_arm(op->server, sandbox, KILL_RETRY_MS);
    }
    if (op->fn)
        op->fn(error, op->data);
    free(op);
}

static struct done_op *done_op_new(struct wr_server *server, const char *id, wr_done_fn fn,
                                   void *data)
{
    struct done_op *op = wr_calloc(1, sizeof *op);

    if (!op)
        return NULL;
    op->server = server;
    op->fn = fn;
    op->data = data;
    memcpy(op->id, id, WR_ID_LEN);
    return op;
}

int wr_lifecycle_kill(struct wr_server *server, struct wr_sandbox *sandbox, wr_done_fn fn,
                      void *data, struct wr_error *err)
{
    struct done_op *op = done_op_new(server, sandbox->id, fn, data);

    sandbox->state = WR_SANDBOX_KILLING;
    wr_timer_stop(&sandbox->deadline);
    wr_upstream_drop_all(server, sandbox);
    int r = op ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "kill of %s", sandbox->id);
    if (r == 0)
        r = call_with_id(server, WR_ACTION_KILL, sandbox->id, NULL, op, on_killed, err);
    if (r < 0) {
        free(op);
        wr_lifecycle_arm(server, sandbox, KILL_RETRY_MS);
    }
    return r;
}

/* ---- deadline changes ---- */

static void on_owner_set(const struct wr_engine_reply *reply, const struct wr_error *error,
                         void *data)
{
    struct done_op *op = data;

    (void)reply;
    op->fn(error, op->data);
    free(op);
}

int wr_lifecycle_set_deadline(struct wr_server *server, struct wr_sandbox *sandbox,
                              uint64_t delay_ms, wr_done_fn fn, void *data, struct wr_error *err)
{
    wr_auto_buf owner = WR_BUF(WR_ACTION_MAX_OWNER);
    uint64_t deadline_ms = wr_wall_ms() + delay_ms;

    int r = wr_owner_write(&owner, deadline_ms, sandbox->metadata, err);
    if (r < 0)
        return r;
    struct done_op *op = done_op_new(server, sandbox->id, fn, data);
    if (!op)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "timeout of %s", sandbox->id);
    r = call_with_id(server, WR_ACTION_SET_OWNER, sandbox->id, &owner, op, on_owner_set, err);
    if (r < 0) {
        free(op);
        return r;
    }
    sandbox->deadline_ms = deadline_ms;
    wr_lifecycle_arm(server, sandbox, delay_ms);
    return 0;
}

void wr_lifecycle_gone(struct wr_server *server, const char *id, const char *reason)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, id);

    if (!sandbox)
        return;
    wr_log(WR_LOG_INFO, "sandbox is gone", "sandbox", id, "reason", reason, NULL);
    wr_record_remove(server, sandbox);
}

void wr_lifecycle_forget_all(struct wr_server *server)
{
    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes))
        wr_record_remove(server, wr_list_entry(it, struct wr_sandbox, link));
}
