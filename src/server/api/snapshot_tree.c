#include "server/api/snapshot_tree.h"

#include "server/api/errors.h"
#include "server/api/sandbox_json.h"
#include "server/api/snapshot_json.h"
#include "server/request.h"
#include "server/server.h"
#include "server/snapshot_ref.h"

#define MAX_NODES 1000 /* snapshots in one answer */
#define MAX_BYTES ((size_t)4 * 1024 * 1024)

struct tree {
    struct wr_server *server;
    const struct wr_principal *who;
    struct wr_jw w;
    const char *parent_ref; /* of the sandboxes that are being written */
    struct wr_error *err;
    int r;
};

/* ---- nodes ---- */

static void write_sandbox(struct tree *tree, const struct wr_sandbox *sandbox)
{
    struct wr_jw *w = &tree->w;

    wr_jw_object(w);
    wr_jw_kstr(w, "kind", "sandbox");
    wr_jw_kstr(w, "id", sandbox->id);
    wr_jw_kstr(w, "parent", tree->parent_ref);
    wr_api_write_time(w, "createdAt", sandbox->created_ms);
    wr_jw_kstr(w, "state", sandbox->state == WR_SANDBOX_PAUSED ? "paused" : "running");
    wr_jw_end(w);
}

static struct wr_sandbox *visible(const struct tree *tree, const char *id)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(tree->server->sandboxes, id);

    return sandbox && sandbox->state != WR_SANDBOX_KILLING && !sandbox->internal &&
                   wr_principal_may_see(tree->who, sandbox->team_id)
               ? sandbox
               : NULL;
}

static void add_sandbox(const char *id, void *data)
{
    struct tree *tree = data;
    const struct wr_sandbox *sandbox = visible(tree, id);

    if (sandbox)
        write_sandbox(tree, sandbox);
}

/* A snapshot, and the sandboxes that go on from there. */
static bool add_snapshot(const struct wr_store_snapshot *snapshot, void *data)
{
    struct tree *tree = data;
    struct wr_jw *w = &tree->w;

    wr_jw_object(w);
    wr_jw_kstr(w, "kind", "snapshot");
    wr_jw_kstr(w, "id", snapshot->ref);
    wr_api_write_snapshot_names(w, snapshot);
    wr_jw_kstr(w, "parent", snapshot->parent_ref[0] ? snapshot->parent_ref : NULL);
    wr_api_write_time(w, "createdAt", snapshot->created_ms);
    wr_jw_end(w);
    tree->parent_ref = snapshot->ref;
    tree->r = wr_store_snapshot_sandboxes(tree->server->store, snapshot->id, add_sandbox, tree,
                                          tree->err);
    return tree->r == 0;
}

/* ---- where to begin ---- */

static void note_parent(const struct wr_store_sandbox *row, void *data)
{
    char *id = data;

    if (!wr_strcopy(id, WR_ID_LEN + 1, row->parent_snapshot))
        id[0] = '\0';
}

static bool note_snapshot(const struct wr_store_snapshot *snapshot, void *data)
{
    memcpy(data, snapshot->id, sizeof snapshot->id);
    return false;
}

/* The last snapshot that was taken of a sandbox which may have ended; "" for none. */
static int last_taken(const struct tree *tree, const char *sandbox_id, char *ret,
                      struct wr_error *err)
{
    const struct wr_store_snapshot_query query = {
        .team_id = tree->who->is_operator ? "" : tree->who->team_id,
        .sandbox_id = sandbox_id,
        .name_or_id = "",
        .tag = "",
        .before_ms = UINT64_MAX,
        .before_id = "",
        .limit = 1};

    return wr_store_snapshot_page(tree->server->store, &query, note_snapshot, ret, err);
}

/* The team's own, and for the operator everybody's. */
static int find_visible(const struct tree *tree, const struct wr_template_ref *ref,
                        struct wr_store_snapshot *ret, struct wr_error *err)
{
    struct wr_store *store = tree->server->store;
    char team_id[WR_UUID_LEN + 1];
    int r = -WR_E_NOT_FOUND;

    if (!ref->team[0] || wr_streq(ref->team, tree->who->team_slug))
        r = wr_snapshot_ref_find(store, tree->who->team_id, ref, ret, err);
    if (r != -WR_E_NOT_FOUND || !tree->who->is_operator)
        return r;
    r = wr_snapshot_ref_owner(store, ref, team_id, err);
    return r < 0 ? r : wr_snapshot_ref_find(store, team_id, ref, ret, err);
}

/* The engine's id of a snapshot that belongs to the tree, "" for none; *ret_sandbox is the sandbox
 * that was meant, or NULL. NOT_FOUND when it was nothing that the caller may see. */
static int find_start(const struct tree *tree, const char *text, char *ret_id,
                      struct wr_sandbox **ret_sandbox, struct wr_error *err)
{
    struct wr_template_ref ref = {0};
    struct wr_store_snapshot snapshot = {.id = ""};

    *ret_sandbox = visible(tree, text);
    if (*ret_sandbox)
        return wr_store_sandbox_get(tree->server->store, text, note_parent, ret_id, err);
    int r = wr_id_valid(text) ? last_taken(tree, text, ret_id, err) : 0;
    if (r < 0 || ret_id[0])
        return r;
    r = wr_template_ref_parse(text, &ref, err);
    if (r == 0)
        r = find_visible(tree, &ref, &snapshot, err);
    memcpy(ret_id, snapshot.id, sizeof snapshot.id);
    explicit_bzero(&snapshot, sizeof snapshot);
    return r == -WR_E_OUT_OF_RANGE ? -WR_E_NOT_FOUND : r;
}

static int write_tree(struct tree *tree, const char *id, const struct wr_sandbox *sandbox,
                      struct wr_error *err)
{
    int r = 0;

    wr_jw_object(&tree->w);
    wr_jw_key(&tree->w, "nodes");
    wr_jw_array(&tree->w);
    if (id[0])
        r = wr_store_snapshot_family(tree->server->store, id, MAX_NODES, add_snapshot, tree, err);
    else if (sandbox)
        write_sandbox(tree, sandbox);
    wr_jw_end(&tree->w);
    wr_jw_end(&tree->w);
    return r < 0 ? r : tree->r;
}

static void not_found(struct wr_exchange *ex, const char *text)
{
    char message[200];

    if (!wr_strformat(message, sizeof message, "there is no sandbox or snapshot '%.120s'", text))
        message[0] = '\0';
    wr_api_error(ex, 404, message);
}

void wr_api_snapshots_tree(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    wr_auto_buf body = WR_BUF(MAX_BYTES);
    struct wr_sandbox *sandbox = NULL;
    char id[WR_ID_LEN + 1] = "";
    struct wr_error error = {0};
    struct tree tree = {.server = request->server, .who = &request->who, .err = &error};

    wr_jw_init(&tree.w, &body);
    int r = find_start(&tree, match->params[0], id, &sandbox, &error);
    if (r == 0)
        r = write_tree(&tree, id, sandbox, &error);
    if (r == -WR_E_NOT_FOUND)
        not_found(ex, match->params[0]);
    else if (r < 0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_json(ex, 200, &body, wr_jw_finish(&tree.w));
}
