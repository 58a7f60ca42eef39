#include "server/snapshot_take.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rand.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "server/events.h"
#include "server/pausing.h"
#include "server/records.h"
#include "server/server.h"
#include "server/settings.h"
#include "server/snapshots.h"

struct take_op {
    struct wr_server *server;
    wr_snapshot_fn fn;
    void *data;
    uint64_t request;
    bool hidden;
    struct wr_job_turn turn;
    struct wr_store_snapshot row;
};

static void take_op_free(struct take_op *op)
{
    wr_job_turn_end(&op->turn);
    explicit_bzero(op, sizeof *op);
    free(op);
}

/* It has come to nothing: nobody was told of it. */
static void fail_take(struct take_op *op, const struct wr_error *error)
{
    wr_server_snapshot_drop(op->server, op->row.id);
    wr_server_snapshot_release(op->server, op->row.id);
    op->fn(NULL, error, op->data);
    take_op_free(op);
}

static int read_result(const json_t *json, struct wr_store_snapshot *row, struct wr_error *err)
{
    const struct wr_json_field fields[] = {
        {.name = "memory", .kind = WR_JSON_BOOL, .ret = &row->memory},
        {.name = "bytes", .kind = WR_JSON_U64, .ret = &row->bytes},
        {.name = "frozenUs", .kind = WR_JSON_U64, .ret = &row->frozen_us},
    };
    int r = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, err);
    return r < 0 ? wr_wrap(err, "the engine's record of a snapshot") : 0;
}

static int settle(struct take_op *op, struct wr_error *err)
{
    struct wr_server *server = op->server;
    struct wr_store_snapshot *row = &op->row;
    const struct wr_cause cause = {.reason = "snapshot", .request = op->request};
    char replaced[WR_ID_LEN + 1] = "";
    const uint64_t frozen_us = row->frozen_us;

    const struct wr_store_snapshot_result result = {
        .id = row->id, .memory = row->memory, .bytes = row->bytes, .created_ms = row->created_ms};
    int r = wr_store_snapshot_finish(server->store, &result, replaced, err);
    if (r == 0)
        r = wr_store_snapshot_get(server->store, row->id, row, err);
    if (r < 0)
        return r;
    row->frozen_us = frozen_us;
    wr_event_with(server, row->sandbox_id, row->team_id, "checkpointed", &cause,
                  &(struct wr_event_facts){.snapshot_id = row->ref});
    if (replaced[0])
        wr_server_snapshot_drop(server, replaced);
    return 0;
}

static void on_saved(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct take_op *op = data;
    struct wr_error own = {0};

    wr_job_turn_end(&op->turn);
    wr_pausing_save_end(op->server, op->row.sandbox_id);
    if (!error &&
        (read_result(reply->json, &op->row, &own) < 0 || (!op->hidden && settle(op, &own) < 0)))
        error = &own;
    if (error) {
        fail_take(op, error);
        return;
    }
    if (!op->hidden)
        wr_server_snapshot_release(op->server, op->row.id);
    op->fn(&op->row, NULL, op->data);
    take_op_free(op);
}

static int ask_to_save(struct take_op *op, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(256);
    struct wr_jw w;

    wr_jw_init(&w, &json);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "id", op->row.sandbox_id);
    wr_jw_kstr(&w, "snapshot", op->row.id);
    wr_jw_kbool(&w, "memory", op->row.memory);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_UNAVAILABLE, -r, "snapshot of %s", op->row.sandbox_id);
    return wr_record_call(op->server, WR_ACTION_SNAPSHOT, &json, on_saved, op, err);
}

static void on_turn(struct wr_job_turn *turn, const struct wr_error *error)
{
    struct take_op *op = wr_container_of(turn, struct take_op, turn);
    struct wr_error own = {0};

    if (!error && ask_to_save(op, &own) < 0)
        error = &own;
    if (error)
        on_saved(NULL, error, op);
}

/* Until then it runs. */
static int wait_and_save(struct take_op *op, struct wr_error *err)
{
    const struct wr_job_turn_wish wish = {.id = op->row.sandbox_id,
                                          .team = op->row.team_id,
                                          .wait_ms = WR_JOB_TURN_WAIT_MS,
                                          .fn = on_turn};
    int r = wr_job_turn_take(&op->server->turns, &op->turn, &wish, err);

    return r > 0 ? ask_to_save(op, err) : r;
}

static int fill_row(const struct wr_sandbox *sandbox, struct wr_store_snapshot *row,
                    struct wr_error *err)
{
    row->created_ms = wr_wall_ms();
    row->secure = sandbox->envd_token[0] != '\0';
    row->private_traffic = sandbox->traffic_token[0] != '\0';
    wr_random_id(row->id, WR_ID_LEN);
    memcpy(row->team_id, sandbox->team_id, sizeof row->team_id);
    memcpy(row->sandbox_id, sandbox->id, sizeof row->sandbox_id);
    memcpy(row->control_token, sandbox->control_token, sizeof row->control_token);
    return wr_strcopy(row->template_name, sizeof row->template_name, sandbox->template_name)
               ? 0
               : wr_fail(err, WR_E_INTERNAL, 0, "template name of sandbox %s", sandbox->id);
}

/* Later ones of a name share the template ID of the first. */
static int name_row(struct wr_server *server, const struct wr_snapshot_name *name,
                    struct wr_store_snapshot *row, struct wr_error *err)
{
    struct wr_store_snapshot first;

    wr_random_id(row->template_id, WR_ID_LEN);
    if (!name)
        return wr_strcopy(row->tag, sizeof row->tag, WR_TEMPLATE_TAG)
                   ? 0
                   : wr_fail(err, WR_E_INTERNAL, 0, "tag of a snapshot");
    memcpy(row->name, name->name, sizeof row->name);
    if (!wr_strcopy(row->tag, sizeof row->tag, name->tag))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "Invalid snapshot name");
    int r = wr_store_snapshot_find(server->store, row->team_id, row->name, "", &first, err);
    /* An ID can look like a name. */
    if (r == 0 && wr_streq(first.name, row->name)) {
        memcpy(row->template_id, first.template_id, sizeof row->template_id);
        /* The newest is the newest, also when the clock stood still or was set back. */
        row->created_ms = WR_MAX(row->created_ms, first.created_ms + 1);
    }
    explicit_bzero(&first, sizeof first);
    return r == -WR_E_NOT_FOUND ? 0 : r;
}

/* A fork is of what its original is of. */
static int share_name(const struct wr_sandbox *sandbox, struct wr_store_snapshot *row,
                      struct wr_error *err)
{
    return wr_strcopy(row->template_id, sizeof row->template_id, sandbox->snapshot_template) &&
                   wr_strcopy(row->name, sizeof row->name, sandbox->snapshot_name)
               ? 0
               : wr_fail(err, WR_E_INTERNAL, 0, "template of sandbox %s", sandbox->id);
}

struct adding {
    struct take_op *op;
    const struct wr_sandbox *sandbox;
    struct wr_error *err;
    int r;
};

static int add_row(const struct adding *a, const char *env)
{
    wr_auto_json *settings = json_object();
    wr_auto_free char *text = NULL;
    json_t *mounts = json_object_get(a->sandbox->settings, "volumeMounts");

    if (!settings || (mounts && json_object_set(settings, "volumeMounts", mounts) < 0))
        return wr_fail(a->err, WR_E_UNAVAILABLE, ENOMEM, "settings of a snapshot");
    int r = wr_settings_write(settings, &text, a->err);
    if (r < 0)
        return r;
    const struct wr_store_snapshot_origin origin = {.settings = text, .env = env};
    return wr_store_snapshot_add(a->op->server->store, &a->op->row, &origin, a->err);
}

/* Parent and environment are in the sandbox's row only. */
static void use_row(const struct wr_store_sandbox *row, void *data)
{
    struct adding *a = data;
    char *parent_id = a->op->row.parent_id;

    if (!wr_strcopy(parent_id, sizeof a->op->row.parent_id, row->parent_snapshot))
        parent_id[0] = '\0';
    a->r = a->op->hidden ? 0 : add_row(a, row->env);
}

static int store_row(struct take_op *op, const struct wr_sandbox *sandbox, struct wr_error *err)
{
    struct adding adding = {.op = op, .sandbox = sandbox, .err = err};

    int r = wr_store_sandbox_get(op->server->store, sandbox->id, use_row, &adding, err);
    return r < 0 ? r : adding.r;
}

/* From here on the engine's answer decides. */
static int start_take(struct take_op *op, struct wr_sandbox *sandbox, struct wr_error *err)
{
    struct wr_error ignored = {0};

    int r = wr_server_snapshot_hold(op->server, op->row.id, err);
    if (r < 0)
        return r;
    r = wr_pausing_save_begin(sandbox, err);
    if (r == 0) {
        r = store_row(op, sandbox, err);
        if (r == 0)
            r = wait_and_save(op, err);
        if (r < 0) {
            (void)!wr_store_snapshot_remove(op->server->store, op->row.id, &ignored);
            wr_pausing_save_end(op->server, sandbox->id);
        }
    }
    if (r < 0)
        wr_server_snapshot_release(op->server, op->row.id);
    return r;
}

static int take(struct take_op *plan, struct wr_sandbox *sandbox,
                const struct wr_snapshot_name *name, struct wr_error *err)
{
    struct take_op *op = wr_calloc(1, sizeof *op);

    if (!op)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "snapshot");
    *op = *plan;
    int r = fill_row(sandbox, &op->row, err);
    if (r == 0)
        r = op->hidden ? share_name(sandbox, &op->row, err)
                       : name_row(op->server, name, &op->row, err);
    if (r == 0)
        r = start_take(op, sandbox, err);
    if (r < 0)
        take_op_free(op);
    return r;
}

int wr_server_snapshot_take(struct wr_server *server, struct wr_sandbox *sandbox,
                            const struct wr_snapshot_wish *wish, wr_snapshot_fn fn, void *data,
                            struct wr_error *err)
{
    struct take_op plan = {.server = server,
                           .fn = fn,
                           .data = data,
                           .request = wish->request,
                           .row = {.memory = wish->memory}};

    return take(&plan, sandbox, wish->name, err);
}

int wr_server_snapshot_take_hidden(struct wr_server *server, struct wr_sandbox *sandbox,
                                   uint64_t request, wr_snapshot_fn fn, void *data,
                                   struct wr_error *err)
{
    struct take_op plan = {.server = server,
                           .fn = fn,
                           .data = data,
                           .request = request,
                           .hidden = true,
                           .row = {.memory = true}};

    return take(&plan, sandbox, NULL, err);
}
