#include "server/creation.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "server/assignment.h"
#include "server/blanks.h"
#include "server/create_action.h"
#include "server/egress/egress.h"
#include "server/egress/trust.h"
#include "server/events.h"
#include "server/lifecycle.h"
#include "server/records.h"
#include "server/server.h"
#include "server/settings.h"
#include "server/snapshot_child.h"
#include "server/volume_mounts.h"

struct create_op {
    struct wr_server *server;
    struct wr_team_use *use;
    wr_create_fn fn;
    void *data;
    uint64_t timeout_ms;
    uint64_t request;
    json_t *settings;   /* owned */
    struct wr_buf json; /* the CREATE for the engine: the way that is left when a blank fails */
    char envd_token[WR_TOKEN_LEN + 1];
    char traffic_token[WR_TOKEN_LEN + 1];
    char control_token[WR_TOKEN_LEN + 1];
    char *env; /* owned; for the row, JSON; NULL: none */
    struct wr_snapshot_child child;
    struct wr_job_turn turn; /* of `child` */
    char id[WR_ID_LEN + 1];
};

static void create_op_free(struct create_op *op)
{
    op->use->creating--;
    wr_job_turn_end(&op->turn);
    wr_snapshot_child_done(&op->child, op->server);
    json_decref(op->settings);
    if (op->json.data)
        explicit_bzero(op->json.data, op->json.cap);
    wr_buf_done(&op->json);
    if (op->env)
        explicit_bzero(op->env, strlen(op->env));
    free(op->env);
    explicit_bzero(op, sizeof *op);
    free(op);
}

/* ---- the record ---- */

/* What is known before anything is stored. */
static void give(struct create_op *op, struct wr_sandbox *sandbox)
{
    memcpy(op->id, sandbox->id, sizeof op->id);
    memcpy(sandbox->envd_token, op->envd_token, sizeof op->envd_token);
    memcpy(sandbox->traffic_token, op->traffic_token, sizeof op->traffic_token);
    memcpy(sandbox->control_token, op->control_token, sizeof op->control_token);
    sandbox->timeout_ms = op->timeout_ms;
    sandbox->settings = wr_steal_ptr(&op->settings);
    wr_snapshot_child_mark(&op->child, sandbox);
}

static int store_row(const struct create_op *op, const struct wr_sandbox *sandbox,
                     uint64_t deadline_ms, struct wr_error *err)
{
    wr_auto_free char *settings = NULL;

    int r = wr_settings_write(sandbox->settings, &settings, err);
    if (r < 0)
        return r;
    const struct wr_store_sandbox row = {
        .id = sandbox->id,
        .team_id = op->use->team_id,
        .envd_token = sandbox->envd_token,
        .traffic_token = sandbox->traffic_token,
        .control_token = sandbox->control_token,
        .deadline_ms = deadline_ms,
        .timeout_ms = op->timeout_ms,
        .settings = settings,
        .env = op->env,
        .parent_snapshot = op->child.parent_id,
        .snapshot_template = sandbox->snapshot_template,
        .snapshot_name = sandbox->snapshot_name,
    };
    r = wr_store_sandbox_add(op->server->store, &row, err);
    /* Callers know NOT_FOUND as "there is no such template". */
    return r == -WR_E_NOT_FOUND
               ? wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "the team of the key is gone")
               : r;
}

/* Row and record, or neither. `sandbox` is in the table, and gone after a failure. */
static int settle(struct create_op *op, struct wr_sandbox *sandbox, struct wr_error *err)
{
    uint64_t deadline_ms = wr_wall_ms() + op->timeout_ms;

    int r = store_row(op, sandbox, deadline_ms, err);
    if (r < 0) {
        wr_lifecycle_kill_orphan(op->server, sandbox->id);
        wr_record_remove(op->server, sandbox);
        return r;
    }
    sandbox->deadline_ms = deadline_ms;
    wr_lifecycle_arm(op->server, sandbox, op->timeout_ms);
    wr_egress_start(op->server, sandbox);
    return 0;
}

static void finish(struct create_op *op, struct wr_sandbox *sandbox, const struct wr_error *error)
{
    struct wr_cause cause = {.reason = "request", .request = op->request};

    op->fn(sandbox, error, op->data);
    if (sandbox)
        wr_event(op->server, sandbox->id, sandbox->team_id, "created", &cause);
    create_op_free(op);
}

/* ---- trust ---- */

/* What was promised is not there: nobody gets it. */
static void distrusted(struct create_op *op, struct wr_sandbox *sandbox,
                       const struct wr_error *error)
{
    const struct wr_cause cause = {.reason = "error", .request = op->request};
    struct wr_error ignored = {0};

    /* A failure is tried again. */
    (void)!wr_lifecycle_kill(op->server, sandbox, &cause, NULL, NULL, &ignored);
    finish(op, NULL, error);
}

/* After its agent was told something. NULL: it was not, or the sandbox has ended meanwhile, and the
 * creation is over. */
static struct wr_sandbox *still_there(struct create_op *op, const struct wr_error *error)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(op->server->sandboxes, op->id);
    struct wr_error own = {0};

    if (!error && (!sandbox || sandbox->state != WR_SANDBOX_RUNNING)) {
        (void)wr_fail(&own, WR_E_ABORTED, 0, "the sandbox ended while it was made");
        error = &own;
    }
    if (!error)
        return sandbox;
    if (sandbox)
        distrusted(op, sandbox, error);
    else
        finish(op, NULL, error);
    return NULL;
}

static void on_trusted(const struct wr_error *error, void *data)
{
    struct create_op *op = data;
    struct wr_sandbox *sandbox = still_there(op, error);

    if (sandbox)
        finish(op, sandbox, NULL);
}

/* Its programs have to accept the authority's certificates before anybody starts one. */
static void settle_and_finish(struct create_op *op, struct wr_sandbox *sandbox)
{
    struct wr_error error = {0};

    if (settle(op, sandbox, &error) < 0)
        finish(op, NULL, &error);
    else if (!wr_egress_transforms(sandbox))
        finish(op, sandbox, NULL);
    else if (wr_trust_install(op->server, sandbox, on_trusted, op, &error) < 0)
        distrusted(op, sandbox, &error);
}

/* ---- from a snapshot with memory ---- */

static void on_told(const struct wr_error *error, void *data)
{
    struct create_op *op = data;
    struct wr_sandbox *sandbox = still_there(op, error);

    if (sandbox)
        settle_and_finish(op, sandbox);
}

/* Its row comes afterwards: without one, a sandbox that does not know who it is does not survive
 * the server. */
static void tell_and_settle(struct create_op *op, struct wr_sandbox *sandbox)
{
    const struct wr_snapshot_child_call call = {.env = op->env, .fn = on_told, .data = op};
    struct wr_error error = {0};

    if (wr_snapshot_child_tell(&op->child, op->server, sandbox, &call, &error) < 0)
        distrusted(op, sandbox, &error);
}

/* ---- by the engine ---- */

static int record(struct create_op *op, const struct wr_engine_reply *reply,
                  struct wr_sandbox **ret, bool *ret_booted, struct wr_error *err)
{
    struct wr_sandbox *sandbox = NULL;
    struct wr_record seen;

    int r = wr_record_read(reply->json, &seen, err);
    if (r < 0)
        return r;
    r = wr_record_add(op->server, &seen, op->use->team_id, &sandbox, err);
    if (r < 0) {
        wr_lifecycle_kill_orphan(op->server, seen.id);
        return r;
    }
    wr_record_keep_fds(sandbox, &seen, reply->fds, reply->fd_count);
    give(op, sandbox);
    *ret = sandbox;
    *ret_booted = seen.booted;
    return 0;
}

static void on_created(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct create_op *op = data;
    struct wr_sandbox *sandbox = NULL;
    struct wr_error own = {0};
    bool booted = false;

    wr_job_turn_end(&op->turn);
    wr_blanks_wait(op->server->blanks);
    if (!error && record(op, reply, &sandbox, &booted, &own) < 0)
        error = &own;
    if (error)
        finish(op, NULL, error);
    else if (wr_snapshot_child_is(&op->child) && !booted)
        tell_and_settle(op, sandbox);
    else
        settle_and_finish(op, sandbox);
}

static int ask_engine(struct create_op *op, struct wr_error *err)
{
    const struct wr_engine_request request = {
        .action = WR_ACTION_CREATE,
        .json = wr_buf_ptr(&op->json),
        .len = op->json.len,
        .timeout_ms = wr_snapshot_child_is(&op->child) ? WR_ENGINE_SAVED_TIMEOUT_MS
                                                       : WR_ENGINE_CREATE_TIMEOUT_MS,
    };
    return wr_engine_call(op->server->engine, &request, on_created, op, err);
}

/* ---- its turn ---- */

static void on_turn(struct wr_job_turn *turn, const struct wr_error *error)
{
    struct create_op *op = wr_container_of(turn, struct create_op, turn);
    struct wr_error own = {0};

    if (!error && ask_engine(op, &own) < 0)
        error = &own;
    if (error)
        finish(op, NULL, error);
}

/* What is restored waits until others are. */
static int wait_and_ask(struct create_op *op, struct wr_error *err)
{
    const struct wr_job_turn_wish wish = {
        .team = op->use->team_id, .wait_ms = WR_JOB_TURN_WAIT_MS, .fn = on_turn};
    int r = wr_snapshot_child_is(&op->child)
                ? wr_job_turn_take(&op->server->turns, &op->turn, &wish, err)
                : 1;

    return r > 0 ? ask_engine(op, err) : r;
}

/* ---- from a blank ---- */

/* A blank that fails is no client's concern. */
static void on_assigned(struct wr_sandbox *sandbox, const struct wr_error *error, void *data)
{
    struct create_op *op = data;
    struct wr_error own = {0};

    wr_blanks_wait(op->server->blanks);
    if (error) {
        if (ask_engine(op, &own) < 0)
            finish(op, NULL, &own);
        return;
    }
    if (wr_sandbox_table_insert(op->server->sandboxes, sandbox, op->use->team_id, &own) < 0) {
        wr_blanks_discard(op->server->blanks, sandbox);
        finish(op, NULL, &own);
        return;
    }
    give(op, sandbox);
    settle_and_finish(op, sandbox);
}

/* ---- requests ---- */

static struct create_op *create_op_new(struct wr_server *server, const struct wr_create_spec *spec)
{
    struct wr_team_use *use = wr_sandbox_table_use(server->sandboxes, spec->team_id);
    struct create_op *op = use ? wr_calloc(1, sizeof *op) : NULL;

    if (op && json_object_size(spec->env_vars) > 0)
        op->env = json_dumps(spec->env_vars, JSON_COMPACT);
    if (op && json_object_size(spec->env_vars) > 0 && !op->env) {
        free(op);
        op = NULL;
    }
    if (!op)
        return NULL;
    wr_buf_init(&op->json, WR_ACTION_MAX);
    op->server = server;
    op->use = use;
    op->use->creating++;
    op->timeout_ms = spec->timeout_ms;
    op->request = spec->request;
    op->settings = json_incref(spec->settings);
    if (spec->secure)
        wr_create_token(op->envd_token);
    if (spec->private_traffic)
        wr_create_token(op->traffic_token);
    wr_create_token(op->control_token);
    return op;
}

/* A blank is of a template. A mount is made at the start of a sandbox, so that none has one; and
 * the interpreter of a blank has its environment before trust could be part of it (egress/trust.h).
 */
static bool fits_blank(const struct wr_create_spec *spec)
{
    const json_t *network = json_object_get(spec->settings, "network");

    return !spec->snapshot && (!spec->mounts || spec->mounts->count == 0) &&
           json_object_size(json_object_get(network, "rules")) == 0;
}

int wr_create_sandbox(struct wr_server *server, const struct wr_create_spec *spec, wr_create_fn fn,
                      void *data, struct wr_error *err)
{
    if (server->draining)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the server is ending; try again");
    if (wr_sandbox_table_count(server->sandboxes) - wr_sandbox_table_paused(server->sandboxes) +
            wr_blanks_count(server->blanks) + wr_engine_pending(server->engine) >=
        WR_SERVER_MAX_SANDBOXES)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "you have reached the maximum number of concurrent E2B sandboxes (%d)",
                       WR_SERVER_MAX_SANDBOXES);

    struct create_op *op = create_op_new(server, spec);
    if (!op)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "create");
    op->fn = fn;
    op->data = data;
    const struct wr_create_tokens tokens = {op->envd_token, op->control_token};
    if (wr_create_write(&op->json, spec, &tokens, false) < 0) {
        create_op_free(op);
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "envVars are too large");
    }
    int r = spec->snapshot
                ? wr_snapshot_child_init(&op->child, server, spec->snapshot, spec->fork, err)
                : 0;
    if (r < 0) {
        create_op_free(op);
        return r;
    }
    const struct wr_assignment assignment = {.template_name = spec->template_name,
                                             .limits = spec->limits,
                                             .env_vars = spec->env_vars,
                                             .token = op->envd_token,
                                             .control_token = op->control_token};
    if (fits_blank(spec) && wr_blanks_assign(server->blanks, &assignment, on_assigned, op))
        return 0;
    r = wait_and_ask(op, err);
    if (r < 0)
        create_op_free(op);
    return r;
}
