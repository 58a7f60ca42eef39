#include "engine/snapshot_actions.h"

#include <errno.h>

#include "engine/ending.h"
#include "engine/operation.h"
#include "json/jwrite.h"

#define MAX_TEXT 4096

static void write_saved(const struct wr_saved *saved, struct wr_jw *w)
{
    wr_jw_kstr(w, "snapshot", saved->id);
    wr_spec_write_limits(saved->spec, w);
    wr_jw_kbool(w, "memory", saved->memory);
    wr_jw_ku64(w, "bytes", saved->bytes);
    wr_jw_ku64(w, "createdMs", saved->created_ms);
    wr_jw_ku64(w, "frozenUs", saved->frozen_us);
}

/* A sandbox of that name counts as one: what is saved of both has the same place. */
static int check_new_id(const struct wr_engine *engine, const char *id, struct wr_error *err)
{
    if (!wr_id_valid(id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "\"%.40s\" is not an id ([a-z0-9]{%d})", id,
                       WR_ID_LEN);
    if (wr_engine_find(engine, id) || wr_operation_uses(engine, id))
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "there is a sandbox or a snapshot %s already",
                       id);
    return 0;
}

int wr_action_snapshot(const struct wr_action_request *r, struct wr_error *err)
{
    struct wr_engine_sandbox *s = NULL;
    const char *id = NULL;
    bool memory = true;
    const struct wr_json_field fields[] = {
        {.name = "snapshot", .kind = WR_JSON_STRING, .required = true, .ret = &id},
        {.name = "memory", .kind = WR_JSON_BOOL, .ret = &memory},
    };
    int rc = wr_action_find(r, fields, WR_ARRAY_SIZE(fields), &s, err);

    if (rc == 0)
        rc = wr_action_check_open(r->engine, err);
    if (rc == 0)
        rc = check_new_id(r->engine, id, err);
    if (rc == 0 && s->spec.blank)
        rc = wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                     "sandbox %s is a blank, of which nothing is saved", s->spec.id);
    if (rc == 0)
        rc = r->engine->ops->snapshot(s->instance, id, memory, err);
    if (rc < 0)
        return rc;
    wr_operation_begin(s, r, WR_SANDBOX_SNAPSHOTTING);
    memcpy(s->op.snapshot, id, sizeof(s->op.snapshot));
    return WR_ACTION_WAITS;
}

static void answer(struct wr_engine_sandbox *s, const struct wr_saved *saved)
{
    wr_auto_buf text = WR_BUF(MAX_TEXT);
    struct wr_error err = {0};
    struct wr_jw w;

    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    write_saved(saved, &w);
    wr_jw_end(&w);
    int rc = wr_jw_finish(&w);
    const char *json = rc == 0 ? wr_buf_cstr(&text) : NULL;
    if (json) {
        wr_operation_answer(s, json, NULL, 0);
        return;
    }
    (void)wr_fail(&err, WR_E_RESOURCE_EXHAUSTED, rc ? -rc : ENOMEM, "write the reply");
    wr_operation_fail(s, &err);
}

void wr_snapshot_done(void *owner, const struct wr_saved *saved, const struct wr_error *error)
{
    struct wr_engine_sandbox *s = owner;

    wr_engine_enter(s, s->op.before);
    if (saved)
        answer(s, saved);
    else
        wr_operation_fail(s, error);
    wr_ending_settle(s);
}

/* Whether a sandbox needs it: one that is made from it, or hibernated at its state. */
static int check_unused(const struct wr_engine *engine, const char *id, struct wr_error *err)
{
    if (wr_operation_uses(engine, id))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "snapshot %s is in use right now", id);
    for (size_t i = 0; i < engine->sandbox_count; i++)
        if (wr_streq(engine->sandboxes[i]->pause.source, id))
            return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                           "sandbox %s is hibernated at the state of snapshot %s; resume it first",
                           engine->sandboxes[i]->spec.id, id);
    return 0;
}

int wr_action_snapshot_remove(const struct wr_action_request *r, struct wr_error *err)
{
    struct wr_engine *engine = r->engine;
    const char *id = NULL;
    const struct wr_json_field field = {
        .name = "snapshot", .kind = WR_JSON_STRING, .required = true, .ret = &id};
    int rc = wr_json_read(r->payload, &field, 1, WR_JSON_REFUSE_UNKNOWN, err);

    /* What is saved of a sandbox goes by KILL only. */
    if (rc == 0 && (!wr_id_valid(id) || wr_engine_find(engine, id)))
        rc = wr_fail(err, WR_E_NOT_FOUND, 0, "there is no snapshot %.40s", id);
    if (rc == 0)
        rc = check_unused(engine, id, err);
    if (rc == 0)
        rc = engine->ops->saved_remove(engine->driver, id, err);
    if (rc < 0)
        return rc;
    wr_engine_reply(engine, r->kind, r->sequence, "{}", NULL, 0);
    return 0;
}

static void write_entry(const struct wr_saved *saved, void *data)
{
    struct wr_jw *w = data;

    wr_jw_object(w);
    write_saved(saved, w);
    wr_jw_end(w);
}

int wr_action_snapshots(const struct wr_action_request *r, struct wr_error *err)
{
    const char *after = "";
    const struct wr_json_field field = {.name = "after", .kind = WR_JSON_STRING, .ret = &after};
    wr_auto_buf text = WR_BUF(WR_ACTION_MAX - 256);
    struct wr_jw w;
    bool more = false;
    int rc = wr_json_read(r->payload, &field, 1, WR_JSON_REFUSE_UNKNOWN, err);

    if (rc < 0)
        return rc;
    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    wr_jw_key(&w, "snapshots");
    wr_jw_array(&w);
    rc = r->engine->ops->saved_list(r->engine->driver, after, WR_ACTION_LIST_PAGE, write_entry, &w,
                                    &more, err);
    if (rc < 0)
        return rc;
    wr_jw_end(&w);
    wr_jw_kbool(&w, "more", more);
    wr_jw_end(&w);
    return wr_action_answer(r, &w, &text, NULL, 0, err);
}

int wr_action_checkpoint(const struct wr_action_request *r, struct wr_error *err)
{
    static const char *const names[] = {[WR_CHECKPOINT_UNTESTED] = "untested",
                                        [WR_CHECKPOINT_WORKS] = "works",
                                        [WR_CHECKPOINT_NONE] = "none"};
    struct wr_checkpoint checkpoint = {.state = WR_CHECKPOINT_NONE};
    wr_auto_buf text = WR_BUF(MAX_TEXT);
    struct wr_jw w;
    int rc = wr_json_read(r->payload, NULL, 0, WR_JSON_REFUSE_UNKNOWN, err);

    if (rc < 0)
        return rc;
    r->engine->ops->checkpoint(r->engine->driver, &checkpoint);
    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "checkpoint", names[checkpoint.state]);
    wr_jw_kstr(&w, "criu", checkpoint.version);
    wr_jw_kstr(&w, "reason", checkpoint.reason[0] ? checkpoint.reason : NULL);
    wr_jw_end(&w);
    return wr_action_answer(r, &w, &text, NULL, 0, err);
}
