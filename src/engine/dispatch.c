/* The closed list of actions as a table. Every field is validated here, whatever the server has
 * checked. */
#include <errno.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "engine/action.h"
#include "engine/engine.h"
#include "engine/share_actions.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "template/store.h"

struct request {
    struct wr_engine *engine;
    uint32_t kind, sequence;
    const json_t *payload;
};

/* 0 with an answer sent, WAITS when the answer comes later, or a negative code with `err` filled.
 */
enum { WAITS = 1 };

static int answer(const struct request *r, struct wr_jw *w, struct wr_buf *text, const int *fds,
                  size_t fd_count, struct wr_error *err)
{
    int rc = wr_jw_finish(w);
    const char *json = rc == 0 ? wr_buf_cstr(text) : NULL;

    if (!json)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, rc ? -rc : ENOMEM, "write the reply");
    wr_engine_reply(r->engine, r->kind, r->sequence, json, fds, fd_count);
    return 0;
}

#define MAX_EXTRA 4

/* Reads {"id"} plus `extra` fields and finds the sandbox. */
static int find_by_id(const struct request *r, const struct wr_json_field *extra,
                      size_t extra_count, struct wr_engine_sandbox **ret, struct wr_error *err)
{
    const char *id = NULL;
    struct wr_json_field fields[1 + MAX_EXTRA] = {
        {.name = "id", .kind = WR_JSON_STRING, .required = true, .ret = &id}};

    for (size_t i = 0; i < extra_count; i++)
        fields[1 + i] = extra[i];
    int rc = wr_json_read(r->payload, fields, 1 + extra_count, WR_JSON_REFUSE_UNKNOWN, err);
    if (rc < 0)
        return rc;
    *ret = wr_engine_find(r->engine, id);
    return *ret ? 0 : wr_fail(err, WR_E_NOT_FOUND, 0, "there is no sandbox %.40s", id);
}

static int find_running(const struct request *r, const struct wr_json_field *extra,
                        size_t extra_count, struct wr_engine_sandbox **ret, struct wr_error *err)
{
    int rc = find_by_id(r, extra, extra_count, ret, err);

    if (rc == 0 && (*ret)->state != WR_SANDBOX_RUNNING)
        rc = wr_fail(err, WR_E_UNAVAILABLE, 0, "sandbox %s is %s", (*ret)->spec.id,
                     (*ret)->state == WR_SANDBOX_STARTING ? "starting" : "being removed");
    return rc;
}

static int do_ping(const struct request *r, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(256);
    struct wr_jw w;

    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "version", WR_VERSION);
    wr_jw_ki64(&w, "pid", getpid());
    wr_jw_end(&w);
    return answer(r, &w, &text, NULL, 0, err);
}

static int do_create(const struct request *r, struct wr_error *err)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    struct wr_engine *engine = r->engine;
    int rc = wr_spec_read(r->payload, &spec, err);

    if (rc == 0 && engine->shutdown_sequence)
        rc = wr_fail(err, WR_E_UNAVAILABLE, 0, "the engine is shutting down");
    if (rc == 0 && spec.id[0] && wr_engine_find(engine, spec.id))
        rc = wr_fail(err, WR_E_ALREADY_EXISTS, 0, "there is a sandbox %s already", spec.id);
    if (rc < 0)
        return rc;
    struct wr_engine_sandbox *s = wr_engine_sandbox_new(engine, &spec);
    if (!s)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "create a sandbox");
    s->start_sequence = r->sequence;
    rc = engine->ops->start(engine->driver, &s->spec, s, &s->instance, err);
    if (rc < 0) {
        wr_engine_drop(s);
        return rc;
    }
    /* The agent has them now; they may be secrets. */
    json_decref(s->spec.env);
    s->spec.env = NULL;
    explicit_bzero(s->spec.access_token, sizeof(s->spec.access_token));
    wr_engine_insert(s);
    return WAITS;
}

static int do_assign(const struct request *r, struct wr_error *err)
{
    struct wr_engine_sandbox *s = NULL;
    struct wr_spec_limits limits = {0};
    wr_auto_buf text = WR_BUF(1024);
    struct wr_jw w;
    const struct wr_json_field fields[MAX_EXTRA] = {
        {.name = "cpuMillis", .kind = WR_JSON_U64, .ret = &limits.cpu_millis},
        {.name = "memoryBytes", .kind = WR_JSON_U64, .ret = &limits.memory_bytes},
        {.name = "diskBytes", .kind = WR_JSON_U64, .ret = &limits.disk_bytes},
        {.name = "pids", .kind = WR_JSON_U64, .ret = &limits.pids},
    };
    int rc = find_running(r, fields, WR_ARRAY_SIZE(fields), &s, err);

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
    return answer(r, &w, &text, NULL, 0, err);
}

static int do_kill(const struct request *r, struct wr_error *err)
{
    struct wr_engine_sandbox *s = NULL;
    int rc = find_by_id(r, NULL, 0, &s, err);

    if (rc < 0)
        return rc;
    if (s->kill_count == WR_ENGINE_MAX_KILLS)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "%d requests wait already for the end of sandbox %s", WR_ENGINE_MAX_KILLS,
                       s->spec.id);
    s->kill_sequences[s->kill_count++] = r->sequence;
    if (s->state == WR_SANDBOX_STARTING)
        return WAITS; /* it is killed as soon as it has started */
    s->state = WR_SANDBOX_STOPPING;
    r->engine->ops->kill(s->instance);
    return WAITS;
}

static int do_list(const struct request *r, struct wr_error *err)
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
    wr_list_foreach(it, &r->engine->sandboxes) {
        const struct wr_engine_sandbox *s = wr_list_entry(it, struct wr_engine_sandbox, link);
        if (s->state != WR_SANDBOX_RUNNING || strcmp(s->spec.id, after) <= 0)
            continue;
        if (count == WR_ACTION_LIST_PAGE) {
            more = true;
            break;
        }
        wr_jw_object(&w);
        wr_spec_write_public(&s->spec, &w);
        wr_jw_end(&w);
        count++;
    }
    wr_jw_end(&w);
    wr_jw_kbool(&w, "more", more);
    wr_jw_end(&w);
    return answer(r, &w, &text, NULL, 0, err);
}

static int do_stats(const struct request *r, struct wr_error *err)
{
    struct wr_engine_sandbox *s = NULL;
    struct wr_driver_stats stats = {0};
    wr_auto_buf text = WR_BUF(1024);
    struct wr_jw w;
    int rc = find_running(r, NULL, 0, &s, err);

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
    return answer(r, &w, &text, NULL, 0, err);
}

static int do_sockets(const struct request *r, struct wr_error *err)
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
    int rc = find_running(r, &field, 1, &s, err);

    if (rc == 0)
        rc = r->engine->ops->sockets(s->instance, count, fds, NULL, err);
    if (rc < 0)
        return rc;
    wr_engine_reply(r->engine, r->kind, r->sequence, "{}", fds, count);
    for (size_t i = 0; i < count; i++)
        wr_close(fds[i]);
    return 0;
}

static int do_egress(const struct request *r, struct wr_error *err)
{
    WR_CLEANUP(wr_egress_sockets_close) struct wr_egress_sockets egress = WR_EGRESS_SOCKETS_NONE;
    struct wr_engine_sandbox *s = NULL;
    int rc = find_running(r, NULL, 0, &s, err);

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

static int do_templates(const struct request *r, struct wr_error *err)
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
    return answer(r, &page.w, &text, NULL, 0, err);
}

static int do_shutdown(const struct request *r, struct wr_error *err)
{
    if (r->engine->shutdown_sequence)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the engine is shutting down already");
    r->engine->shutdown_sequence = r->sequence;
    wr_list_foreach(it, &r->engine->sandboxes) {
        struct wr_engine_sandbox *s = wr_list_entry(it, struct wr_engine_sandbox, link);
        if (s->state == WR_SANDBOX_RUNNING) {
            s->state = WR_SANDBOX_STOPPING;
            r->engine->ops->kill(s->instance);
        }
    }
    wr_engine_check_shutdown(r->engine);
    return WAITS;
}

static int run_share_action(const struct request *r, wr_share_action_fn run, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(WR_ACTION_MAX - 256);
    struct wr_jw w;

    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    int rc = run(r->engine, r->payload, &w, err);
    if (rc < 0)
        return rc;
    wr_jw_end(&w);
    return answer(r, &w, &text, NULL, 0, err);
}

static int do_volume_create(const struct request *r, struct wr_error *err)
{
    return run_share_action(r, wr_share_action_create, err);
}

static int do_volume_remove(const struct request *r, struct wr_error *err)
{
    return run_share_action(r, wr_share_action_remove, err);
}

static int do_volumes(const struct request *r, struct wr_error *err)
{
    return run_share_action(r, wr_share_action_list, err);
}

static const struct {
    enum wr_action kind;
    int (*run)(const struct request *r, struct wr_error *err);
} actions[] = {
    {WR_ACTION_PING, do_ping},
    {WR_ACTION_CREATE, do_create},
    {WR_ACTION_KILL, do_kill},
    {WR_ACTION_LIST, do_list},
    {WR_ACTION_STATS, do_stats},
    {WR_ACTION_SOCKETS, do_sockets},
    {WR_ACTION_TEMPLATES, do_templates},
    {WR_ACTION_SHUTDOWN, do_shutdown},
    {WR_ACTION_ASSIGN, do_assign},
    {WR_ACTION_EGRESS, do_egress},
    {WR_ACTION_VOLUME_CREATE, do_volume_create},
    {WR_ACTION_VOLUME_REMOVE, do_volume_remove},
    {WR_ACTION_VOLUMES, do_volumes},
};

void wr_engine_dispatch(struct wr_engine *engine, const struct wr_action_header *header,
                        const char *payload)
{
    struct wr_error err = {0};
    wr_auto_json *json = NULL;
    struct request r = {.engine = engine, .kind = header->kind, .sequence = header->sequence};
    int rc = wr_json_parse(payload, header->length, &json, &err);

    r.payload = json;
    if (rc == 0) {
        rc = wr_fail(&err, WR_E_UNIMPLEMENTED, 0, "there is no action %u", header->kind);
        for (size_t i = 0; i < WR_ARRAY_SIZE(actions); i++)
            if (actions[i].kind == header->kind)
                rc = actions[i].run(&r, &err);
    }
    if (rc < 0)
        wr_engine_reply_error(engine, header->kind, header->sequence, &err);
}
