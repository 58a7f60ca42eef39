#include "server/api/create.h"

#include <errno.h>

#include "base/alloc.h"
#include "server/api/create_request.h"
#include "server/api/create_snapshot.h"
#include "server/api/errors.h"
#include "server/api/sandbox_json.h"
#include "server/creation.h"
#include "server/saved_limits.h"
#include "server/server.h"
#include "server/snapshot_ref.h"
#include "server/templates.h"
#include "server/volume_mounts.h"

/* A creation that waits for the list of templates. */
struct pending {
    struct wr_api_op *op;
    struct wr_create_request request;
};

/* Nobody has learnt the id. A failure is retried by the lifecycle. */
static void discard(struct wr_server *server, struct wr_sandbox *sandbox)
{
    struct wr_cause cause = {.reason = "abandoned"};
    struct wr_error ignored = {0};

    (void)!wr_lifecycle_kill(server, sandbox, &cause, NULL, NULL, &ignored);
}

/* ---- errors ---- */

/* `ref` is what the client wrote. */
static void no_template(struct wr_exchange *ex, const char *ref)
{
    char text[200];

    if (!wr_strformat(text, sizeof text, "template '%.120s' not found", ref))
        text[0] = '\0';
    wr_api_error(ex, 404, text);
}

static void no_tag(struct wr_exchange *ex, const char *tag, const char *ref)
{
    char text[320];

    if (!wr_strformat(text, sizeof text, "tag '%.120s' does not exist for template '%.120s'", tag,
                      ref))
        text[0] = '\0';
    wr_api_error(ex, 404, text);
}

/* What the engine could not do is told in E2B's words and with its slugs. */
static void failed(struct wr_exchange *ex, const struct wr_error *error)
{
    static const struct {
        int status;
        const char *slug;
    } slugs[] = {
        {500, "sandbox_create_failed"},
        {503, "sandbox_capacity_unavailable"},
        {504, "sandbox_placement_timeout"},
        {507, "sandbox_capacity_unavailable"},
    };
    int status = wr_api_status(error);
    char text[300];

    for (size_t i = 0; i < WR_ARRAY_SIZE(slugs); i++) {
        if (slugs[i].status != status)
            continue;
        if (!wr_strformat(text, sizeof text, "Failed to place sandbox: %s", error->msg))
            text[0] = '\0';
        wr_api_error_code(ex, status, text, slugs[i].slug);
        return;
    }
    wr_api_fail(ex, error);
}

/* ---- the engine ---- */

static void on_created(struct wr_sandbox *sandbox, const struct wr_error *error, void *data)
{
    struct wr_api_op *op = data;

    /* With a template that is there it was a volume. */
    bool no_volume =
        op->mounting && wr_templates_find(op->server->templates, op->template_name) != NULL;

    wr_server_touch(op->server);
    /* An alias or an ID may have led to a template that is gone. */
    if (error && error->code == WR_E_NOT_FOUND)
        wr_templates_forget(op->server);
    if (op->ex && error && error->code == WR_E_NOT_FOUND && !no_volume)
        no_template(op->ex, op->template_name);
    else if (op->ex && error)
        failed(op->ex, error);
    else if (op->ex) {
        memcpy(op->id, sandbox->id, sizeof sandbox->id);
        wr_api_reply_access(op->server, op->ex, 201, sandbox);
    } else if (sandbox)
        discard(op->server, sandbox);
    wr_api_op_end(op);
}

/* Finds the volumes that are to be mounted, for the engine and for the settings. False: answered.
 */
static bool find_volumes(struct wr_api_op *op, struct wr_create_request *request,
                         struct wr_volume_mounts *mounts)
{
    wr_auto_buf problems = WR_BUF(8192);
    struct wr_error error = {0};

    if (json_array_size(request->volume_mounts) == 0)
        return true;
    int r = wr_volume_mounts_read(op->server->store, op->who.team_id, request->volume_mounts,
                                  op->server->config->lenient, mounts, &problems, &error);
    if (r == 0 && json_object_set_new(request->settings, "volumeMounts",
                                      wr_volume_mounts_to_json(mounts)) < 0)
        r = wr_fail(&error, WR_E_UNAVAILABLE, ENOMEM, "create");
    const char *text = problems.len ? wr_buf_cstr(&problems) : NULL;
    if (r < 0 && text)
        wr_api_error(op->ex, 400, text);
    else if (r < 0)
        wr_api_fail(op->ex, &error);
    op->mounting = true;
    request->spec.mounts = mounts;
    return r == 0;
}

static void start(struct wr_api_op *op, struct wr_create_request *request)
{
    struct wr_error error = {0};

    int status = wr_saved_check_new(op->server, op->who.team_id, request->settings, &error);
    if (status) {
        wr_auth_refuse(op->ex, status, error.msg);
        return;
    }
    request->spec.template_name = op->template_name;
    request->spec.team_id = op->who.team_id;
    request->spec.request = op->request;
    op->busy = true;
    if (wr_create_sandbox(op->server, &request->spec, on_created, op, &error) < 0) {
        op->busy = false;
        failed(op->ex, &error);
    }
}

/* Sends it to the engine, or answers. */
static void create(struct wr_api_op *op, struct wr_create_request *request,
                   const char *template_name)
{
    struct wr_volume_mounts mounts = {.count = 0};

    op->busy = false;
    if (!op->ex || !find_volumes(op, request, &mounts) ||
        !wr_auth_admit_create(op->server, op->ex, &op->who))
        return;
    (void)!wr_strcopy(op->template_name, sizeof op->template_name, template_name);
    start(op, request);
}

/* ---- the snapshot ---- */

static void create_from(struct wr_api_op *op, struct wr_create_request *request,
                        const struct wr_store_snapshot *snapshot)
{
    struct wr_error error = {0};

    if (wr_api_create_from_snapshot(op->server->store, snapshot, request, &error) < 0) {
        wr_api_fail(op->ex, &error);
        return;
    }
    if (!wr_auth_admit_create(op->server, op->ex, &op->who))
        return;
    /* For an answer: one that is being removed is not found. */
    if (!wr_strformat(op->template_name, sizeof op->template_name, "%.60s", request->template_text))
        op->template_name[0] = '\0';
    start(op, request);
}

/* True: a snapshot of the team was meant, and it is answered or under way. */
static bool took_snapshot(struct wr_api_op *op, struct wr_create_request *request)
{
    const struct wr_template_ref *ref = &request->template_ref;
    struct wr_store_snapshot snapshot = {.id = ""};
    struct wr_error error = {0};

    int r = wr_snapshot_ref_find(op->server->store, op->who.team_id, ref, &snapshot, &error);
    if (r == 0)
        create_from(op, request, &snapshot);
    else if (r == -WR_E_OUT_OF_RANGE)
        wr_api_error(op->ex, 404, error.msg);
    else if (r != -WR_E_NOT_FOUND)
        wr_api_fail(op->ex, &error);
    explicit_bzero(snapshot.control_token, sizeof snapshot.control_token);
    return r != -WR_E_NOT_FOUND;
}

/* ---- the template ---- */

static bool plain_tag(const struct wr_template_ref *ref)
{
    return !ref->tag[0] || wr_streq(ref->tag, WR_TEMPLATE_TAG);
}

/* A name that the list has not may have been made since: the engine knows better. */
static const char *own_name(const struct wr_template_ref *ref)
{
    return plain_tag(ref) && !wr_template_ref_is_id(ref) ? ref->name : NULL;
}

/* The template's own name, by the fresh list. NULL: answered. */
static const char *resolve(struct wr_api_op *op, const struct wr_create_request *request)
{
    const struct wr_template_ref *ref = &request->template_ref;
    const struct wr_template_entry *entry = wr_templates_find(op->server->templates, ref->name);

    if (entry && wr_templates_has_tag(entry, ref->tag))
        return entry->name;
    if (entry)
        no_tag(op->ex, ref->tag, ref->name);
    else if (own_name(ref))
        return ref->name;
    else
        no_template(op->ex, request->template_text);
    return NULL;
}

static void on_templates(const struct wr_error *error, void *data)
{
    struct pending *pending = data;
    struct wr_api_op *op = pending->op;
    /* Another template that cannot be read is no reason to refuse this one. */
    const char *name = error ? own_name(&pending->request.template_ref) : NULL;

    op->busy = false;
    if (op->ex && error && !name)
        failed(op->ex, error);
    else if (op->ex && !error)
        name = resolve(op, &pending->request);
    if (op->ex && name)
        create(op, &pending->request, name);
    wr_create_request_done(&pending->request);
    free(pending);
    if (!op->busy)
        wr_api_op_end(op);
}

static int ask_for_templates(struct wr_api_op *op, struct wr_create_request *request,
                             struct wr_error *err)
{
    struct pending *pending = wr_calloc(1, sizeof *pending);

    if (!pending)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "create");
    pending->op = op;
    pending->request = *request;
    int r = wr_templates_load(op->server, on_templates, pending, err);
    if (r < 0) {
        free(pending);
        return r;
    }
    *request = (struct wr_create_request){0};
    op->busy = true;
    return 0;
}

/* The copy of the list is enough for a name that it has: the engine knows better whether that still
 * exists. */
static int choose(struct wr_api_op *op, struct wr_create_request *request, struct wr_error *err)
{
    const struct wr_template_ref *ref = &request->template_ref;
    const struct wr_template_entry *known = NULL;

    if (ref->team[0] && !wr_streq(ref->team, op->who.team_slug)) {
        no_template(op->ex, request->template_text);
        return 0;
    }
    if (took_snapshot(op, request))
        return 0;
    if (plain_tag(ref))
        known = wr_templates_find(op->server->templates, ref->name);
    if (!known)
        return ask_for_templates(op, request, err);
    create(op, request, known->name);
    return 0;
}

void wr_api_create_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    struct wr_create_request request = {0};
    const struct wr_server_config *config = op->server->config;
    const struct wr_create_rules rules = {op->variant == 2, config->lenient, config->timeout_max_s};
    struct wr_error error = {0};

    int r = wr_create_request_parse(body, len, &rules, &request, &error);
    if (r == 0)
        r = choose(op, &request, &error);
    if (r < 0)
        wr_api_fail(ex, &error);
    wr_create_request_done(&request);
}

/* The end of the client may be seen only after the answer was queued, or by the attempt to send it.
 */
void wr_api_create_close(struct wr_exchange *ex, bool aborted, void *data)
{
    const struct wr_api_op *op = data;
    struct wr_sandbox *sandbox =
        aborted ? wr_sandbox_table_find(op->server->sandboxes, op->id) : NULL;

    if (sandbox && sandbox->state != WR_SANDBOX_KILLING)
        discard(op->server, sandbox);
    wr_api_op_on_close(ex, aborted, data);
}
