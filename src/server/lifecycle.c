#include "server/lifecycle.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/rand.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/events.h"
#include "server/ingress/dial.h"
#include "server/records.h"
#include "server/server.h"
#include "server/settings.h"

#define KILL_RETRY_MS 1000

/* Recorded changes of one sandbox; above it they still happen. Whoever reads its log looks through
 * all of them. */
#define UPDATES_MAX 512

struct create_op {
    struct wr_server *server;
    struct wr_team_use *use;
    wr_create_fn fn;
    void *data;
    uint64_t timeout_ms;
    uint64_t request;
    json_t *settings; /* owned */
    char envd_token[WR_TOKEN_LEN + 1];
    char traffic_token[WR_TOKEN_LEN + 1];
};

struct done_op {
    struct wr_server *server;
    wr_done_fn fn;
    void *data;
    struct wr_cause cause;
    char id[WR_ID_LEN + 1];
};

static int kill_by_id(struct wr_server *server, const char *id, struct done_op *op, wr_engine_fn fn,
                      struct wr_error *err)
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
    return wr_record_call(server, WR_ACTION_KILL, &json, fn, op, err);
}

static void record_update(struct wr_server *server, struct wr_sandbox *sandbox,
                          const struct wr_cause *cause)
{
    if (sandbox->updates >= UPDATES_MAX)
        return;
    sandbox->updates++;
    wr_event(server, sandbox->id, sandbox->team_id, "updated", cause);
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
    struct wr_cause cause = {.reason = "timeout"};
    struct wr_error error = {0};

    if (wr_lifecycle_kill(server, sandbox, &cause, NULL, NULL, &error) < 0)
        wr_log(WR_LOG_WARN, "kill at the deadline failed, trying again", "sandbox", sandbox->id,
               "error", error.msg, NULL);
}

int wr_lifecycle_set_deadline(struct wr_server *server, struct wr_sandbox *sandbox,
                              uint64_t delay_ms, const struct wr_cause *cause, struct wr_error *err)
{
    uint64_t deadline_ms = wr_wall_ms() + delay_ms;

    int r = wr_store_sandbox_set_deadline(server->store, sandbox->id, deadline_ms, err);
    if (r < 0)
        return r;
    sandbox->deadline_ms = deadline_ms;
    wr_lifecycle_arm(server, sandbox, delay_ms);
    record_update(server, sandbox, cause);
    return 0;
}

int wr_lifecycle_set_settings(struct wr_server *server, struct wr_sandbox *sandbox,
                              json_t *settings, const struct wr_cause *cause, struct wr_error *err)
{
    wr_auto_free char *text = NULL;

    int r = wr_settings_write(settings, &text, err);
    if (r == 0)
        r = wr_store_sandbox_set_settings(server->store, sandbox->id, text, err);
    if (r < 0)
        return r;
    json_decref(sandbox->settings);
    sandbox->settings = json_incref(settings);
    record_update(server, sandbox, cause);
    return 0;
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

    if (kill_by_id(server, id, NULL, on_orphan_killed, &error) < 0)
        wr_log(WR_LOG_WARN, "a sandbox without a record was not killed", "sandbox", id, "error",
               error.msg, NULL);
}

static void create_op_free(struct create_op *op)
{
    op->use->creating--;
    json_decref(op->settings);
    explicit_bzero(op, sizeof *op);
    free(op);
}

static int store_row(const struct create_op *op, const char *id, uint64_t deadline_ms,
                     struct wr_error *err)
{
    wr_auto_free char *settings = NULL;

    int r = wr_settings_write(op->settings, &settings, err);
    if (r < 0)
        return r;
    const struct wr_store_sandbox row = {
        .id = id,
        .team_id = op->use->team_id,
        .envd_token = op->envd_token,
        .traffic_token = op->traffic_token,
        .deadline_ms = deadline_ms,
        .settings = settings,
    };
    r = wr_store_sandbox_add(op->server->store, &row, err);
    /* Callers know NOT_FOUND as "there is no such template". */
    return r == -WR_E_NOT_FOUND
               ? wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "the team of the key is gone")
               : r;
}

/* Row and record, or neither. */
static int record(struct create_op *op, const struct wr_engine_reply *reply,
                  struct wr_sandbox **ret, struct wr_error *err)
{
    struct wr_server *server = op->server;
    uint64_t deadline_ms = wr_wall_ms() + op->timeout_ms;
    struct wr_sandbox *sandbox = NULL;
    struct wr_record seen;

    int r = wr_record_read(reply->json, &seen, err);
    if (r < 0)
        return r;
    r = wr_record_add(server, &seen, op->use->team_id, &sandbox, err);
    if (r == 0)
        r = store_row(op, seen.id, deadline_ms, err);
    if (r < 0) {
        if (sandbox)
            wr_record_remove(server, sandbox);
        wr_lifecycle_kill_orphan(server, seen.id);
        return r;
    }
    memcpy(sandbox->envd_token, op->envd_token, sizeof op->envd_token);
    memcpy(sandbox->traffic_token, op->traffic_token, sizeof op->traffic_token);
    sandbox->deadline_ms = deadline_ms;
    sandbox->settings = wr_steal_ptr(&op->settings);
    wr_sandbox_keep_sockets(sandbox, reply->fds, reply->fd_count);
    wr_lifecycle_arm(server, sandbox, op->timeout_ms);
    *ret = sandbox;
    return 0;
}

static void on_created(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct create_op *op = data;
    struct wr_cause cause = {.reason = "request", .request = op->request};
    struct wr_sandbox *sandbox = NULL;
    struct wr_error own = {0};

    if (!error && record(op, reply, &sandbox, &own) < 0)
        error = &own;
    op->fn(sandbox, error, op->data);
    if (sandbox)
        wr_event(op->server, sandbox->id, sandbox->team_id, "created", &cause);
    create_op_free(op);
}

/* Without an id: the engine has sandboxes prepared under ids of its own. */
static void write_create(struct wr_jw *w, const struct wr_create_spec *spec, const char *token)
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
    if (*token)
        wr_jw_kstr(w, "accessToken", token);
    wr_jw_ku64(w, "sockets", WR_CREATE_SOCKETS);
    wr_jw_end(w);
}

static void make_token(char out[static WR_TOKEN_LEN + 1])
{
    unsigned char bytes[WR_TOKEN_LEN / 2];

    wr_random_bytes(bytes, sizeof bytes);
    wr_hex_encode(bytes, sizeof bytes, out);
    explicit_bzero(bytes, sizeof bytes);
}

static struct create_op *create_op_new(struct wr_server *server, const struct wr_create_spec *spec)
{
    struct wr_team_use *use = wr_sandbox_table_use(server->sandboxes, spec->team_id);
    struct create_op *op = use ? wr_calloc(1, sizeof *op) : NULL;

    if (!op)
        return NULL;
    op->server = server;
    op->use = use;
    op->use->creating++;
    op->timeout_ms = spec->timeout_ms;
    op->request = spec->request;
    op->settings = json_incref(spec->settings);
    if (spec->secure)
        make_token(op->envd_token);
    if (spec->private_traffic)
        make_token(op->traffic_token);
    return op;
}

int wr_lifecycle_create(struct wr_server *server, const struct wr_create_spec *spec,
                        wr_create_fn fn, void *data, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(WR_ACTION_MAX);
    struct wr_jw w;

    if (server->draining)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the server is ending; try again");
    if (wr_sandbox_table_count(server->sandboxes) + wr_engine_pending(server->engine) >=
        WR_SERVER_MAX_SANDBOXES)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "you have reached the maximum number of concurrent E2B sandboxes (%d)",
                       WR_SERVER_MAX_SANDBOXES);

    struct create_op *op = create_op_new(server, spec);
    if (!op)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "create");
    op->fn = fn;
    op->data = data;
    wr_jw_init(&w, &json);
    write_create(&w, spec, op->envd_token);
    int r = wr_jw_finish(&w);
    if (r < 0)
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "envVars are too large");
    if (r == 0)
        r = wr_record_call(server, WR_ACTION_CREATE, &json, on_created, op, err);
    if (r < 0)
        create_op_free(op);
    return r;
}

/* ---- the end ---- */

static void remove_row(struct wr_server *server, const char *id)
{
    struct wr_error error = {0};

    /* A row that stays is found, and removed, by the next start. */
    if (wr_store_sandbox_remove(server->store, id, &error) < 0)
        wr_log(WR_LOG_WARN, "the row of a sandbox was not removed", "sandbox", id, "error",
               error.msg, NULL);
}

void wr_lifecycle_ended(struct wr_server *server, struct wr_sandbox *sandbox,
                        const struct wr_cause *cause)
{
    struct wr_cause first = *cause;

    /* It may end by itself while it is being killed. */
    if (sandbox->ending)
        first.reason = sandbox->ending;
    remove_row(server, sandbox->id);
    wr_event(server, sandbox->id, sandbox->team_id, "killed", &first);
    wr_record_remove(server, sandbox);
}

static void on_killed(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct done_op *op = data;
    struct wr_sandbox *sandbox = wr_sandbox_table_find(op->server->sandboxes, op->id);

    (void)reply;
    if (error && error->code == WR_E_NOT_FOUND)
        error = NULL;
    if (!error && sandbox)
        wr_lifecycle_ended(op->server, sandbox, &op->cause);
    if (error && sandbox) {
        wr_log(WR_LOG_WARN, "kill failed, trying again", "sandbox", op->id, "error", error->msg,
               NULL);
        wr_lifecycle_arm(op->server, sandbox, KILL_RETRY_MS);
    }
    if (op->fn)
        op->fn(error, op->data);
    free(op);
}

int wr_lifecycle_kill(struct wr_server *server, struct wr_sandbox *sandbox,
                      const struct wr_cause *cause, wr_done_fn fn, void *data, struct wr_error *err)
{
    struct done_op *op = wr_calloc(1, sizeof *op);

    sandbox->state = WR_SANDBOX_KILLING;
    /* Later attempts are for the first reason. */
    if (!sandbox->ending)
        sandbox->ending = cause->reason;
    wr_timer_stop(&sandbox->deadline);
    wr_dial_drop_all(sandbox);
    int r = op ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "kill of %s", sandbox->id);
    if (r == 0) {
        op->server = server;
        op->fn = fn;
        op->data = data;
        op->cause = (struct wr_cause){sandbox->ending, cause->request};
        memcpy(op->id, sandbox->id, sizeof op->id);
        r = kill_by_id(server, sandbox->id, op, on_killed, err);
    }
    if (r < 0) {
        free(op);
        wr_lifecycle_arm(server, sandbox, KILL_RETRY_MS);
    }
    return r;
}

void wr_lifecycle_gone(struct wr_server *server, const char *id, const char *reason)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, id);
    static const char *const reasons[] = {"exited", "killed", "oom"};
    struct wr_cause cause = {.reason = "error"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(reasons); i++)
        if (wr_streq(reasons[i], reason))
            cause.reason = reasons[i];
    if (sandbox)
        wr_lifecycle_ended(server, sandbox, &cause);
}

void wr_lifecycle_forget_all(struct wr_server *server)
{
    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes))
        wr_record_remove(server, wr_list_entry(it, struct wr_sandbox, link));
}
