#include "server/api/snapshots.h"

#include <errno.h>

#include "base/alloc.h"
#include "json/jread.h"
#include "server/api/errors.h"
#include "server/api/find.h"
#include "server/api/keys.h"
#include "server/api/op.h"
#include "server/api/snapshot_json.h"
#include "server/api/unavailable.h"
#include "server/auth/auth.h"
#include "server/saved_limits.h"
#include "server/server.h"
#include "server/snapshot_ref.h"
#include "server/snapshot_take.h"
#include "server/snapshots.h"
#include "server/templates.h"

#define MAX_BODY    4096
#define MAX_REMOVED 10000 /* by one request */

/* ---- create ---- */

static void on_taken(const struct wr_store_snapshot *snapshot, const struct wr_error *error,
                     void *data)
{
    struct wr_api_op *op = data;
    wr_auto_buf body = WR_BUF(8192);
    struct wr_jw w;

    wr_server_touch(op->server);
    if (op->ex && error) {
        wr_api_fail(op->ex, error);
    } else if (op->ex) {
        wr_jw_init(&w, &body);
        wr_api_write_snapshot(&w, snapshot);
        wr_api_reply_json(op->ex, 201, &body, wr_jw_finish(&w));
    }
    wr_api_op_end(op);
}

static int read_create(const struct wr_api_op *op, const json_t *json, const char *team_id,
                       struct wr_snapshot_name *name, struct wr_snapshot_wish *wish,
                       struct wr_error *err)
{
    const char *text = NULL;
    struct wr_team team;
    const struct wr_json_field fields[] = {
        {.name = "name", .kind = WR_JSON_STRING, .ret = &text, .max = 512},
        {.name = "memory", .kind = WR_JSON_BOOL, .ret = &wish->memory},
    };

    int r = json ? wr_api_body_read(op, json, fields, WR_ARRAY_SIZE(fields), err) : 0;
    if (r < 0 || !text)
        return r;
    r = wr_store_team_get(op->server->store, team_id, &team, err);
    if (r == 0)
        r = wr_snapshot_name_parse(text, team.slug, name, err);
    wish->name = name;
    return r;
}

/* False: answered. */
static bool admit(struct wr_api_op *op, struct wr_exchange *ex, const struct wr_sandbox *sandbox)
{
    struct wr_error error = {0};

    if (!wr_auth_admit_create_rate(op->server, ex, &op->who, 1))
        return false;
    int status = wr_saved_check_snapshot(op->server, sandbox->team_id, &error);
    if (status)
        wr_auth_refuse(ex, status, error.msg);
    return status == 0;
}

static void on_create_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    struct wr_snapshot_wish wish = {.memory = true, .request = op->request};
    struct wr_snapshot_name name;
    wr_auto_json *json = NULL;
    struct wr_error error = {0};

    struct wr_sandbox *sandbox = wr_api_find_any(op->server, ex, &op->who, op->id);
    if (!sandbox)
        return;
    if (sandbox->state == WR_SANDBOX_KILLING) {
        wr_api_no_sandbox(ex, op->id);
        return;
    }
    int r = len > 0 ? wr_json_parse(body, len, &json, &error) : 0;
    if (r == 0)
        r = read_create(op, json, sandbox->team_id, &name, &wish, &error);
    if (r == 0) {
        if (!admit(op, ex, sandbox))
            return;
        op->busy = true;
        r = wr_server_snapshot_take(op->server, sandbox, &wish, on_taken, op, &error);
        op->busy = r == 0;
    }
    /* It is paused: another time it may be otherwise. */
    if (r == -WR_E_FAILED_PRECONDITION)
        wr_api_error(ex, 409, error.msg);
    else if (r < 0)
        wr_api_fail(ex, &error);
}

void wr_api_snapshots_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_api_op *op = wr_api_op_new(data, ex);

    if (!op)
        return;
    if (!wr_strformat(op->id, sizeof op->id, "%.60s", match->params[0]))
        op->id[0] = '\0';
    wr_exchange_collect(ex, MAX_BODY, on_create_body, wr_api_op_on_close, op);
}

/* ---- remove ---- */

/* One after the other. */
struct removal {
    struct wr_api_op *op;
    struct wr_buf ids; /* each with its NUL */
    size_t at;
};

static void removal_end(struct removal *removal, const struct wr_error *error)
{
    struct wr_api_op *op = removal->op;

    wr_buf_done(&removal->ids);
    free(removal);
    wr_api_op_on_done(error, op);
}

static int remove_next(struct removal *removal, struct wr_error *err);

static void on_removed(const struct wr_error *error, void *data)
{
    struct removal *removal = data;
    struct wr_error own = {0};

    removal->at += WR_ID_LEN + 1;
    if (error || removal->at == removal->ids.len)
        removal_end(removal, error);
    else if (remove_next(removal, &own) < 0)
        removal_end(removal, &own);
}

static int remove_next(struct removal *removal, struct wr_error *err)
{
    return wr_server_snapshot_remove(removal->op->server, wr_buf_ptr(&removal->ids) + removal->at,
                                     on_removed, removal, err);
}

static bool note_id(const struct wr_store_snapshot *snapshot, void *data)
{
    return wr_buf_append(data, snapshot->id, WR_ID_LEN + 1) == 0;
}

/* NOT_FOUND when there is none. */
static int find_ids(struct wr_store *store, const char *team_id, const struct wr_template_ref *ref,
                    struct wr_buf *out, struct wr_error *err)
{
    const struct wr_store_snapshot_query query = {.team_id = team_id,
                                                  .sandbox_id = "",
                                                  .name_or_id = ref->name,
                                                  .tag = ref->tag,
                                                  .before_ms = UINT64_MAX,
                                                  .before_id = "",
                                                  .limit = MAX_REMOVED};
    int r = wr_store_snapshot_page(store, &query, note_id, out, err);

    return r == 0 && out->len == 0 ? -WR_E_NOT_FOUND : r;
}

/* The team's own, and for the operator everybody's; NOT_FOUND. */
static int find_visible(const struct wr_api_request *request, const struct wr_template_ref *ref,
                        struct wr_buf *out, struct wr_error *err)
{
    struct wr_store *store = request->server->store;
    char team_id[WR_UUID_LEN + 1] = "";
    int r = -WR_E_NOT_FOUND;

    if (!ref->team[0] || wr_streq(ref->team, request->who.team_slug))
        r = find_ids(store, request->who.team_id, ref, out, err);
    if (r != -WR_E_NOT_FOUND || !request->who.is_operator)
        return r;
    r = wr_snapshot_ref_owner(store, ref, team_id, err);
    return r < 0 ? r : find_ids(store, team_id, ref, out, err);
}

static void remove_all(struct wr_exchange *ex, const struct wr_api_request *request,
                       struct wr_buf *ids)
{
    struct wr_api_op *op = wr_api_op_new(request, ex);
    struct removal *removal = op ? wr_calloc(1, sizeof *removal) : NULL;
    struct wr_error error = {0};

    if (!op)
        return;
    wr_exchange_set_ops(ex, &wr_api_op_exchange_ops, op);
    if (!removal) {
        wr_api_error(ex, 503, "out of memory; try again");
        return;
    }
    *removal = (struct removal){.op = op, .ids = *ids};
    *ids = (struct wr_buf){0};
    op->busy = true;
    if (remove_next(removal, &error) < 0)
        removal_end(removal, &error);
}

/* What is no snapshot may be a template. */
static void no_snapshot(struct wr_exchange *ex, const struct wr_route_match *match,
                        const struct wr_api_request *request, const struct wr_template_ref *ref)
{
    char message[200];

    if (!ref->team[0] && wr_templates_find(request->server->templates, ref->name)) {
        wr_api_no_builds(ex, match, NULL);
        return;
    }
    if (!wr_strformat(message, sizeof message, "template '%.120s' not found", match->params[0]))
        message[0] = '\0';
    wr_api_error(ex, 404, message);
}

void wr_api_snapshots_remove(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    wr_auto_buf ids = WR_BUF((size_t)MAX_REMOVED * (WR_ID_LEN + 1));
    struct wr_template_ref ref = {0};
    struct wr_error error = {0};

    int r = wr_template_ref_parse(match->params[0], &ref, &error);
    if (r == 0)
        r = find_visible(request, &ref, &ids, &error);
    if (r == -WR_E_NOT_FOUND)
        no_snapshot(ex, match, request, &ref);
    else if (r < 0)
        wr_api_fail(ex, &error);
    else
        remove_all(ex, request, &ids);
}
