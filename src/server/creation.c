#include "server/creation.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/rand.h"
#include "json/jwrite.h"
#include "server/assignment.h"
#include "server/blanks.h"
#include "server/egress/egress.h"
#include "server/egress/trust.h"
#include "server/events.h"
#include "server/lifecycle.h"
#include "server/records.h"
#include "server/server.h"
#include "server/settings.h"
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
    char id[WR_ID_LEN + 1]; /* while its agent is told whom to trust */
};

static void create_op_free(struct create_op *op)
{
    op->use->creating--;
    json_decref(op->settings);
    if (op->json.data)
        explicit_bzero(op->json.data, op->json.cap);
    wr_buf_done(&op->json);
    explicit_bzero(op, sizeof *op);
    free(op);
}

/* ---- the record ---- */

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

/* Row and record, or neither. `sandbox` is in the table, and gone after a failure. */
static int settle(struct create_op *op, struct wr_sandbox *sandbox, struct wr_error *err)
{
    uint64_t deadline_ms = wr_wall_ms() + op->timeout_ms;

    int r = store_row(op, sandbox->id, deadline_ms, err);
    if (r < 0) {
        wr_lifecycle_kill_orphan(op->server, sandbox->id);
        wr_record_remove(op->server, sandbox);
        return r;
    }
    memcpy(sandbox->envd_token, op->envd_token, sizeof op->envd_token);
    memcpy(sandbox->traffic_token, op->traffic_token, sizeof op->traffic_token);
    sandbox->deadline_ms = deadline_ms;
    sandbox->settings = wr_steal_ptr(&op->settings);
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

static void on_trusted(const struct wr_error *error, void *data)
{
    struct create_op *op = data;
    struct wr_sandbox *sandbox = wr_sandbox_table_find(op->server->sandboxes, op->id);
    struct wr_error own = {0};

    if (!error && (!sandbox || sandbox->state != WR_SANDBOX_RUNNING)) {
        (void)wr_fail(&own, WR_E_ABORTED, 0, "the sandbox ended while it was made");
        error = &own;
    }
    if (error && sandbox)
        distrusted(op, sandbox, error);
    else
        finish(op, error ? NULL : sandbox, error);
}

/* Its programs have to accept the authority's certificates before anybody starts one. */
static void finish_settled(struct create_op *op, struct wr_sandbox *sandbox)
{
    struct wr_error error = {0};

    if (!wr_egress_transforms(sandbox)) {
        finish(op, sandbox, NULL);
        return;
    }
    memcpy(op->id, sandbox->id, sizeof op->id);
    if (wr_trust_install(op->server, sandbox, on_trusted, op, &error) < 0)
        distrusted(op, sandbox, &error);
}

/* ---- by the engine ---- */

static int record(struct create_op *op, const struct wr_engine_reply *reply,
                  struct wr_sandbox **ret, struct wr_error *err)
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
    r = settle(op, sandbox, err);
    if (r == 0)
        *ret = sandbox;
    return r;
}

static void on_created(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct create_op *op = data;
    struct wr_sandbox *sandbox = NULL;
    struct wr_error own = {0};

    wr_blanks_wait(op->server->blanks);
    if (!error && record(op, reply, &sandbox, &own) < 0)
        error = &own;
    if (error)
        finish(op, NULL, error);
    else
        finish_settled(op, sandbox);
}

static int ask_engine(struct create_op *op, struct wr_error *err)
{
    return wr_record_call(op->server, WR_ACTION_CREATE, &op->json, on_created, op, err);
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
    int r = wr_sandbox_table_insert(op->server->sandboxes, sandbox, op->use->team_id, &own);
    if (r < 0)
        wr_blanks_discard(op->server->blanks, sandbox);
    else
        r = settle(op, sandbox, &own);
    if (r < 0)
        finish(op, NULL, &own);
    else
        finish_settled(op, sandbox);
}

/* ---- requests ---- */

static void write_mounts(struct wr_jw *w, const struct wr_volume_mounts *mounts)
{
    wr_jw_key(w, "volumes");
    wr_jw_array(w);
    for (size_t i = 0; i < mounts->count; i++) {
        wr_jw_object(w);
        wr_jw_kstr(w, "volume", mounts->items[i].volume_id);
        wr_jw_kstr(w, "path", mounts->items[i].path);
        wr_jw_kbool(w, "readOnly", mounts->items[i].read_only);
        wr_jw_end(w);
    }
    wr_jw_end(w);
}

int wr_create_write(struct wr_buf *out, const struct wr_create_spec *spec, const char *token,
                    bool blank)
{
    const struct {
        const char *name;
        uint64_t value;
    } limits[] = {
        {"cpuMillis", spec->limits.cpu_millis}, {"memoryBytes", spec->limits.memory_bytes},
        {"diskBytes", spec->limits.disk_bytes}, {"pids", spec->limits.pids},
        {"openFiles", spec->limits.open_files},
    };
    struct wr_jw w;
    const char *key;
    json_t *value;

    /* Without an id: the engine has sandboxes prepared under ids of its own. */
    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "template", spec->template_name);
    for (size_t i = 0; i < WR_ARRAY_SIZE(limits); i++)
        if (limits[i].value)
            wr_jw_ku64(&w, limits[i].name, limits[i].value);
    if (spec->env_vars) {
        wr_jw_key(&w, "envVars");
        wr_jw_object(&w);
        json_object_foreach((json_t *)(uintptr_t)spec->env_vars, key, value)
            wr_jw_kstr(&w, key, json_string_value(value));
        wr_jw_end(&w);
    }
    if (*token)
        wr_jw_kstr(&w, "accessToken", token);
    if (blank)
        wr_jw_kbool(&w, "blank", true);
    if (!spec->content)
        wr_jw_kbool(&w, "egress", true);
    if (spec->mounts && spec->mounts->count > 0)
        write_mounts(&w, spec->mounts);
    if (spec->content)
        wr_jw_kbool(&w, "content", true);
    wr_jw_ku64(&w, "sockets", WR_CREATE_SOCKETS);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}

void wr_create_token(char out[static WR_TOKEN_LEN + 1])
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
    return op;
}

/* A mount is made at the start of a sandbox, so that no blank has one; and the interpreter of a
 * blank has its environment before trust could be part of it (egress/trust.h). */
static bool fits_blank(const struct wr_create_spec *spec)
{
    const json_t *network = json_object_get(spec->settings, "network");

    return (!spec->mounts || spec->mounts->count == 0) &&
           json_object_size(json_object_get(network, "rules")) == 0;
}

int wr_create_sandbox(struct wr_server *server, const struct wr_create_spec *spec, wr_create_fn fn,
                      void *data, struct wr_error *err)
{
    if (server->draining)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the server is ending; try again");
    if (wr_sandbox_table_count(server->sandboxes) + wr_blanks_count(server->blanks) +
            wr_engine_pending(server->engine) >=
        WR_SERVER_MAX_SANDBOXES)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "you have reached the maximum number of concurrent E2B sandboxes (%d)",
                       WR_SERVER_MAX_SANDBOXES);

    struct create_op *op = create_op_new(server, spec);
    if (!op)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "create");
    op->fn = fn;
    op->data = data;
    if (wr_create_write(&op->json, spec, op->envd_token, false) < 0) {
        create_op_free(op);
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "envVars are too large");
    }
    const struct wr_assignment assignment = {.template_name = spec->template_name,
                                             .limits = spec->limits,
                                             .env_vars = spec->env_vars,
                                             .token = op->envd_token};
    if (fits_blank(spec) && wr_blanks_assign(server->blanks, &assignment, on_assigned, op))
        return 0;
    int r = ask_engine(op, err);
    if (r < 0)
        create_op_free(op);
    return r;
}
