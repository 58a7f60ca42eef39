/* The closed list of actions as a table. Every field is validated here or where the action is
 * carried out, whatever the server has checked. */
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "engine/action.h"
#include "engine/ending.h"
#include "engine/pausing.h"
#include "engine/request.h"
#include "engine/share_actions.h"
#include "engine/snapshot_actions.h"
#include "engine/starting.h"
#include "engine/states.h"
#include "json/jwrite.h"
#include "template/store.h"

static int do_ping(const struct wr_action_request *r, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(256);
    struct wr_jw w;
    int rc = wr_json_read(r->payload, NULL, 0, WR_JSON_REFUSE_UNKNOWN, err);

    if (rc < 0)
        return rc;
    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "version", WR_VERSION);
    wr_jw_ki64(&w, "pid", getpid());
    wr_jw_end(&w);
    return wr_action_answer(r, &w, &text, NULL, 0, err);
}

static int do_assign(const struct wr_action_request *r, struct wr_error *err)
{
    struct wr_engine_sandbox *s = NULL;
    struct wr_spec_limits limits = {0};
    wr_auto_buf text = WR_BUF(1024);
    struct wr_jw w;
    const struct wr_json_field fields[WR_ACTION_MAX_FIELDS] = {
        {.name = "cpuMillis", .kind = WR_JSON_U64, .ret = &limits.cpu_millis},
        {.name = "memoryBytes", .kind = WR_JSON_U64, .ret = &limits.memory_bytes},
        {.name = "diskBytes", .kind = WR_JSON_U64, .ret = &limits.disk_bytes},
        {.name = "pids", .kind = WR_JSON_U64, .ret = &limits.pids},
    };
    int rc = wr_action_find(r, fields, WR_ARRAY_SIZE(fields), &s, err);

    if (rc == 0 && !s->spec.blank)
        rc = wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "sandbox %s is no blank", s->spec.id);
    if (rc < 0)
        return rc;
    struct wr_spec wanted = s->spec;
    wanted.blank = false;
    wanted.created_ms = wr_wall_ms();
    rc = wr_spec_set_limits(&wanted, &limits, err);
    if (rc == 0)
        rc = r->engine->ops->assign(s->instance, &wanted, err);
    if (rc < 0)
        return rc;
    s->spec = wanted;
    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    wr_spec_write_public(&s->spec, &w);
    wr_jw_end(&w);
    return wr_action_answer(r, &w, &text, NULL, 0, err);
}

static int do_list(const struct wr_action_request *r, struct wr_error *err)
{
    const char *after = "";
    const struct wr_json_field field = {.name = "after", .kind = WR_JSON_STRING, .ret = &after};
    wr_auto_buf text = WR_BUF(WR_ACTION_MAX - 256);
    struct wr_jw w;
    size_t count = 0;
    bool more = false;
    int rc = wr_json_read(r->payload, &field, 1, WR_JSON_REFUSE_UNKNOWN, err);

    if (rc < 0)
        return rc;
    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    wr_jw_key(&w, "sandboxes");
    wr_jw_array(&w);
    for (size_t i = wr_engine_behind(r->engine, after); i < r->engine->sandbox_count; i++) {
        const struct wr_engine_sandbox *s = r->engine->sandboxes[i];
        if (!wr_state_listed(s->state))
            continue;
        more = count == WR_ACTION_LIST_PAGE;
        if (more)
            break;
        wr_jw_object(&w);
        wr_spec_write_public(&s->spec, &w);
        wr_state_write(s, &w);
        wr_jw_end(&w);
        count++;
    }
    wr_jw_end(&w);
    wr_jw_kbool(&w, "more", more);
    wr_jw_end(&w);
    return wr_action_answer(r, &w, &text, NULL, 0, err);
}

static int do_stats(const struct wr_action_request *r, struct wr_error *err)
{
    struct wr_engine_sandbox *s = NULL;
    struct wr_driver_stats stats = {0};
    wr_auto_buf text = WR_BUF(1024);
    struct wr_jw w;
    int rc = wr_action_find(r, NULL, 0, &s, err);

    if (rc == 0)
        rc = r->engine->ops->stats(s->instance, &stats, err);
    if (rc < 0)
        return rc;
    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    wr_jw_ku64(&w, "memoryBytes", stats.memory_bytes);
    wr_jw_ku64(&w, "memoryPeakBytes", stats.memory_peak_bytes);
    wr_jw_ku64(&w, "memoryLimitBytes", stats.memory_limit_bytes);
    wr_jw_ku64(&w, "cacheBytes", stats.cache_bytes);
    wr_jw_ku64(&w, "cpuUsec", stats.cpu_usec);
    wr_jw_ku64(&w, "pids", stats.pids);
    wr_jw_ku64(&w, "diskBytes", stats.disk_bytes);
    wr_jw_ku64(&w, "diskLimitBytes", stats.disk_limit_bytes);
    wr_jw_ku64(&w, "oomKills", stats.oom_kills);
    wr_jw_end(&w);
    return wr_action_answer(r, &w, &text, NULL, 0, err);
}

static int do_sockets(const struct wr_action_request *r, struct wr_error *err)
{
    struct wr_engine_sandbox *s = NULL;
    uint64_t count = 0;
    int fds[WR_ACTION_MAX_SOCKETS];
    const struct wr_json_field field = {.name = "count",
                                        .kind = WR_JSON_U64,
                                        .required = true,
                                        .ret = &count,
                                        .min = 1,
                                        .max = WR_ACTION_MAX_SOCKETS};
    int rc = wr_action_find(r, &field, 1, &s, err);

    if (rc == 0)
        rc = r->engine->ops->sockets(s->instance, count, fds, NULL, err);
    if (rc < 0)
        return rc;
    wr_engine_reply(r->engine, r->kind, r->sequence, "{}", fds, count);
    for (size_t i = 0; i < count; i++)
        wr_close(fds[i]);
    return 0;
}

static int do_egress(const struct wr_action_request *r, struct wr_error *err)
{
    WR_CLEANUP(wr_egress_sockets_close) struct wr_egress_sockets egress = WR_EGRESS_SOCKETS_NONE;
    struct wr_engine_sandbox *s = NULL;
    int rc = wr_action_find(r, NULL, 0, &s, err);

    if (rc == 0)
        rc = r->engine->ops->sockets(s->instance, 0, NULL, &egress, err);
    if (rc == 0 && egress.count == 0)
        rc = wr_fail(err, WR_E_UNIMPLEMENTED, 0,
                     "this host could not redirect what leaves sandbox %s: `modprobe nft_tproxy`, "
                     "then make a new one, or see `warren doctor`",
                     s->spec.id);
    if (rc < 0)
        return rc;
    wr_engine_reply(r->engine, r->kind, r->sequence, "{}", egress.fds, egress.count);
    return 0;
}

struct template_page {
    struct wr_engine *engine;
    struct wr_jw w;
    const char *after;
    size_t count;
    bool more;
};

static void write_template(const struct wr_template *t, void *data)
{
    struct template_page *page = data;
    struct wr_jw *w = &page->w;
    struct wr_driver_zygote zygote;
    struct wr_spec spec = {0};
    struct wr_error ignored;

    if (strcmp(t->name, page->after) <= 0)
        return;
    if (page->count == WR_ACTION_LIST_PAGE) {
        page->more = true;
        return;
    }
    /* Limits out of range are refused when somebody uses the template; here they are only shown. */
    (void)!wr_spec_complete(&spec, t, &ignored);
    wr_jw_object(w);
    wr_jw_kstr(w, "name", t->name);
    wr_jw_key(w, "aliases");
    wr_jw_array(w);
    for (size_t i = 0; i < t->alias_count; i++)
        wr_jw_str(w, t->aliases[i]);
    wr_jw_end(w);
    wr_jw_ku64(w, "layers", t->layer_count);
    wr_jw_ku64(w, "sizeBytes", t->size_bytes);
    wr_jw_ku64(w, "createdMs", t->created_ms);
    wr_jw_ku64(w, "cpuMillis", spec.cpu_millis);
    wr_jw_ku64(w, "memoryBytes", spec.memory_bytes);
    wr_jw_ku64(w, "diskBytes", spec.disk_bytes);
    page->engine->ops->zygote(page->engine->driver, t->name, &zygote);
    wr_jw_kstr(w, "zygote", zygote.state);
    if (zygote.reason[0])
        wr_jw_kstr(w, "zygoteReason", zygote.reason);
    wr_jw_end(w);
    page->count++;
}

static int do_templates(const struct wr_action_request *r, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(WR_ACTION_MAX - 256);
    struct template_page page = {.engine = r->engine, .after = ""};
    const struct wr_json_field field = {
        .name = "after", .kind = WR_JSON_STRING, .ret = &page.after};
    int rc = wr_json_read(r->payload, &field, 1, WR_JSON_REFUSE_UNKNOWN, err);

    if (rc < 0)
        return rc;
    wr_jw_init(&page.w, &text);
    wr_jw_object(&page.w);
    wr_jw_key(&page.w, "templates");
    wr_jw_array(&page.w);
    rc = r->engine->ops->templates(r->engine->driver, write_template, &page, err);
    if (rc < 0)
        return rc;
    wr_jw_end(&page.w);
    wr_jw_kbool(&page.w, "more", page.more);
    wr_jw_end(&page.w);
    return wr_action_answer(r, &page.w, &text, NULL, 0, err);
}

static int run_share_action(const struct wr_action_request *r, wr_share_action_fn run,
                            struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(WR_ACTION_MAX - 256);
    struct wr_jw w;

    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    int rc = run(r->engine, r->payload, &w, err);
    if (rc < 0)
        return rc;
    wr_jw_end(&w);
    return wr_action_answer(r, &w, &text, NULL, 0, err);
}

static int do_volume_create(const struct wr_action_request *r, struct wr_error *err)
{
    return run_share_action(r, wr_share_action_create, err);
}

static int do_volume_remove(const struct wr_action_request *r, struct wr_error *err)
{
    return run_share_action(r, wr_share_action_remove, err);
}

static int do_volumes(const struct wr_action_request *r, struct wr_error *err)
{
    return run_share_action(r, wr_share_action_list, err);
}

static const wr_action_fn actions[] = {
    [WR_ACTION_PING] = do_ping,
    [WR_ACTION_CREATE] = wr_action_create,
    [WR_ACTION_KILL] = wr_action_kill,
    [WR_ACTION_LIST] = do_list,
    [WR_ACTION_STATS] = do_stats,
    [WR_ACTION_SOCKETS] = do_sockets,
    [WR_ACTION_TEMPLATES] = do_templates,
    [WR_ACTION_SHUTDOWN] = wr_action_shutdown,
    [WR_ACTION_ASSIGN] = do_assign,
    [WR_ACTION_EGRESS] = do_egress,
    [WR_ACTION_VOLUME_CREATE] = do_volume_create,
    [WR_ACTION_VOLUME_REMOVE] = do_volume_remove,
    [WR_ACTION_VOLUMES] = do_volumes,
    [WR_ACTION_PAUSE] = wr_action_pause,
    [WR_ACTION_RESUME] = wr_action_resume,
    [WR_ACTION_SNAPSHOT] = wr_action_snapshot,
    [WR_ACTION_SNAPSHOT_REMOVE] = wr_action_snapshot_remove,
    [WR_ACTION_SNAPSHOTS] = wr_action_snapshots,
    [WR_ACTION_ROLLBACK] = wr_action_rollback,
    [WR_ACTION_CHECKPOINT] = wr_action_checkpoint,
};

void wr_engine_dispatch(struct wr_engine *engine, const struct wr_action_header *header,
                        const char *payload)
{
    struct wr_error err = {0};
    wr_auto_json *json = NULL;
    struct wr_action_request r = {
        .engine = engine, .kind = header->kind, .sequence = header->sequence};
    int rc = wr_json_parse(payload, header->length, &json, &err);

    r.payload = json;
    if (rc == 0 && (header->kind >= WR_ARRAY_SIZE(actions) || !actions[header->kind]))
        rc = wr_fail(&err, WR_E_UNIMPLEMENTED, 0, "there is no action %u", header->kind);
    if (rc == 0)
        rc = actions[header->kind](&r, &err);
    if (rc < 0)
        wr_engine_reply_error(engine, header->kind, header->sequence, &err);
}
