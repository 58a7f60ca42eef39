#include "server/fork.h"

#include <errno.h>

#include "base/alloc.h"
#include "json/jread.h"
#include "server/auth/auth.h"
#include "server/create_action.h"
#include "server/creation.h"
#include "server/pausing_engine.h"
#include "server/server.h"
#include "server/snapshot_take.h"
#include "server/snapshots.h"

/* Copies that are being made at the same time: each one keeps a processor busy. */
#define AT_ONCE 4

struct fork_op {
    struct wr_server *server;
    struct wr_fork_wish wish;
    wr_fork_fn fn;
    void *data;
    json_t *settings, *env; /* owned; of the original */
    bool secure, private_traffic;
    struct wr_store_snapshot snapshot;
    size_t begun, ended;
    struct wr_fork_result *results; /* owned */
    struct copy {
        struct fork_op *op;
        struct wr_fork_result *result;
    } * copies; /* owned */
};

static void fork_op_free(struct fork_op *op)
{
    json_decref(op->settings);
    json_decref(op->env);
    free(op->results);
    free(op->copies);
    explicit_bzero(op, sizeof *op);
    free(op);
}

static void finish(struct fork_op *op)
{
    wr_server_snapshot_drop(op->server, op->snapshot.id);
    wr_server_snapshot_release(op->server, op->snapshot.id);
    op->fn(op->results, op->wish.count, NULL, op->data);
    fork_op_free(op);
}

static void on_created(struct wr_sandbox *sandbox, const struct wr_error *error, void *data);

static int begin_copy(struct fork_op *op, struct copy *copy, struct wr_error *err)
{
    const struct wr_create_spec spec = {.template_name = op->snapshot.template_name,
                                        .snapshot = &op->snapshot,
                                        .fork = true,
                                        .team_id = op->snapshot.team_id,
                                        .timeout_ms = op->wish.timeout_ms,
                                        .secure = op->secure,
                                        .private_traffic = op->private_traffic,
                                        .env_vars = op->env,
                                        .settings = op->settings,
                                        .request = op->wish.request};
    int r = wr_auth_check_team(op->server, op->snapshot.team_id, err);

    return r < 0 ? r : wr_create_sandbox(op->server, &spec, on_created, copy, err);
}

/* As many as may be made at once; those that fail at once make room for the next. */
static void begin_copies(struct fork_op *op)
{
    while (op->begun < op->wish.count && op->begun - op->ended < AT_ONCE) {
        struct copy *copy = &op->copies[op->begun++];
        if (begin_copy(op, copy, &copy->result->error) < 0)
            op->ended++;
    }
    if (op->ended == op->wish.count)
        finish(op);
}

static void on_created(struct wr_sandbox *sandbox, const struct wr_error *error, void *data)
{
    const struct copy *copy = data;

    if (sandbox)
        memcpy(copy->result->id, sandbox->id, sizeof copy->result->id);
    else
        copy->result->error = *error;
    copy->op->ended++;
    begin_copies(copy->op);
}

static void on_saved(const struct wr_store_snapshot *snapshot, const struct wr_error *error,
                     void *data)
{
    struct fork_op *op = data;

    if (error) {
        op->fn(NULL, 0, error, op->data);
        fork_op_free(op);
        return;
    }
    op->snapshot = *snapshot;
    begin_copies(op);
}

static struct fork_op *fork_op_new(const struct wr_fork_wish *wish)
{
    struct fork_op *op = wr_calloc(1, sizeof *op);

    if (!op)
        return NULL;
    op->wish = *wish;
    op->results = wr_calloc(wish->count, sizeof *op->results);
    op->copies = wr_calloc(wish->count, sizeof *op->copies);
    if (!op->results || !op->copies) {
        fork_op_free(op);
        return NULL;
    }
    for (size_t i = 0; i < wish->count; i++)
        op->copies[i] = (struct copy){.op = op, .result = &op->results[i]};
    return op;
}

int wr_fork(struct wr_server *server, struct wr_sandbox *sandbox, const struct wr_fork_wish *wish,
            wr_fork_fn fn, void *data, struct wr_error *err)
{
    struct fork_op *op = fork_op_new(wish);

    if (!op)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "fork of %s", sandbox->id);
    op->server = server;
    op->fn = fn;
    op->data = data;
    op->secure = sandbox->envd_token[0] != '\0';
    op->private_traffic = sandbox->traffic_token[0] != '\0';
    op->settings = json_incref(sandbox->settings);
    int r = wr_pausing_env(server, sandbox->id, &op->env, err);
    if (r == 0)
        r = wr_server_snapshot_take_hidden(server, sandbox, wish->request, on_saved, op, err);
    if (r < 0)
        fork_op_free(op);
    return r;
}
