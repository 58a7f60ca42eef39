/*
 * The fake driver: no isolation and no processes, for tests of the server and the engine's core
 * without root. A "sandbox" is an entry in memory, and so is what is saved of it; its sockets are
 * ordinary ones of the host, and its egress sockets are bound to ports of the host's loopback.
 * Templates: "base" always exists; "broken" fails to start; "slow" and "slow-broken" take a while.
 * What is done with sandboxes of "held" is not over before somebody says so: from one CHECKPOINT to
 * the next. What else can go wrong: fake_faults.h.
 */
#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rand.h"
#include "engine/action.h"
#include "engine/driver/driver.h"
#include "engine/driver/fake_faults.h"
#include "engine/driver/fake_instance.h"
#include "engine/driver/fake_saved.h"
#include "engine/driver/fake_shares.h"
#include "template/store.h"

#define SLOW_MS 200

static int fake_open(struct wr_loop *loop, const struct wr_engine_opts *opts,
                     const struct wr_driver_callbacks *callbacks, struct wr_driver **ret,
                     struct wr_error *err)
{
    struct wr_driver *driver = wr_calloc(1, sizeof(*driver));

    (void)opts;
    if (!driver)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "open the fake driver");
    driver->loop = loop;
    driver->callbacks = *callbacks;
    wr_list_init(&driver->instances);
    wr_list_init(&driver->shares);
    wr_list_init(&driver->saved);
    *ret = driver;
    return 0;
}

void wr_fake_drop(struct wr_instance *instance)
{
    wr_timer_stop(&instance->timer);
    wr_list_remove(&instance->link);
    wr_spec_done(&instance->spec);
    free(instance);
}

static void fake_close(struct wr_driver *driver)
{
    wr_list_foreach(it, &driver->instances)
        wr_fake_drop(wr_list_entry(it, struct wr_instance, link));
    wr_fake_shares_free(&driver->shares);
    wr_fake_saved_free(&driver->saved);
    free(driver);
}

static int fake_recover(struct wr_driver *driver, struct wr_error *err)
{
    (void)driver;
    (void)err;
    return 0;
}

static bool is_slow(const struct wr_spec *spec)
{
    return wr_starts_with(spec->template_name, "slow");
}

bool wr_fake_hold(struct wr_instance *instance, wr_timer_fn fn)
{
    if (!instance->driver->holds || !wr_streq(instance->spec.template_name, "held"))
        return false;
    instance->held = fn;
    return true;
}

int wr_fake_later(struct wr_instance *instance, wr_timer_fn fn, struct wr_error *err)
{
    if (wr_fake_hold(instance, fn))
        return 0;
    return wr_timer_start(instance->driver->loop, &instance->timer,
                          is_slow(&instance->spec) ? SLOW_MS : 0, fn, instance, err);
}

static void on_start(struct wr_timer *timer, void *data)
{
    struct wr_instance *instance = data;
    struct wr_driver *driver = instance->driver;
    void *owner = instance->owner;
    struct wr_error error;
    int rc = wr_fake_fail(instance->fault, "the fake driver", &error);

    (void)timer;
    if (rc < 0) {
        wr_fake_drop(instance);
        driver->callbacks.on_started(owner, &error);
        return;
    }
    if (instance->origin == WR_FROM_SAVED || instance->origin == WR_FROM_SAVED_FILES)
        (void)!wr_fake_saved_remove(&driver->saved, instance->spec.id, &error); /* it was there */
    driver->callbacks.on_started(owner, NULL);
}

void wr_fake_end(struct wr_instance *instance, enum wr_gone_reason reason)
{
    struct wr_driver *driver = instance->driver;
    void *owner = instance->owner;

    wr_fake_drop(instance);
    driver->callbacks.on_gone(owner, reason);
}

/* What was not asked for comes from what was saved. */
static void inherit(const struct wr_spec *from, struct wr_spec *spec)
{
    const struct {
        uint64_t *value, inherited;
    } rows[] = {
        {&spec->cpu_millis, from->cpu_millis}, {&spec->memory_bytes, from->memory_bytes},
        {&spec->disk_bytes, from->disk_bytes}, {&spec->pids, from->pids},
        {&spec->open_files, from->open_files},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        if (*rows[i].value == 0)
            *rows[i].value = rows[i].inherited;
    memcpy(spec->template_name, from->template_name, sizeof(spec->template_name));
    memcpy(spec->shares, from->shares, sizeof(spec->shares));
    spec->share_count = from->share_count;
}

static int complete_saved(const struct wr_driver *driver, enum wr_origin origin,
                          struct wr_spec *spec, const struct wr_fake_saved **ret,
                          struct wr_error *err)
{
    const bool hibernated = origin != WR_FROM_SNAPSHOT;
    const char *id = hibernated ? spec->id : spec->snapshot;
    const struct wr_fake_saved *from = wr_fake_saved_find(&driver->saved, id, hibernated);

    if (!from)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no %s %s",
                       hibernated ? "hibernated sandbox" : "snapshot", id);
    inherit(&from->spec, spec);
    spec->generation = hibernated ? from->spec.generation + 1 : 0;
    *ret = from;
    return 0;
}

static int complete(const struct wr_driver *driver, enum wr_origin origin, struct wr_spec *spec,
                    const struct wr_fake_saved **ret, struct wr_error *err)
{
    const struct wr_template t = {.layer_count = 0};
    int rc = 0;

    if (origin != WR_FROM_TEMPLATE)
        rc = complete_saved(driver, origin, spec, ret, err);
    else if (!is_slow(spec) && !wr_ends_with(spec->template_name, "broken") &&
             !wr_streq(spec->template_name, "base") && !wr_streq(spec->template_name, "held"))
        rc = wr_fail(err, WR_E_NOT_FOUND, 0, "there is no template %s", spec->template_name);
    if (rc == 0 && spec->id[0] && wr_fake_saved_find(&driver->saved, spec->id, false))
        rc = wr_fail(err, WR_E_ALREADY_EXISTS, 0, "there is a snapshot %s", spec->id);
    if (rc == 0)
        rc = wr_spec_complete(spec, &t, err);
    return rc == 0 ? wr_fake_shares_check(&driver->shares, spec, err) : rc;
}

/* How the start will end: what the request says comes before what the image has. */
static int start_fault(const struct wr_spec *spec, const struct wr_fake_saved *from)
{
    if (!from)
        return wr_ends_with(spec->template_name, "broken") ? WR_E_INTERNAL : 0;
    int fault = wr_fake_fault(spec->env, WR_FAKE_RESTORE);
    return fault ? fault : wr_fake_fault(from->spec.env, WR_FAKE_RESTORE);
}

static int fake_start(struct wr_driver *driver, enum wr_origin origin, struct wr_spec *spec,
                      void *owner, struct wr_instance **ret, bool *ret_booted, struct wr_error *err)
{
    const struct wr_fake_saved *from = NULL;
    int rc = complete(driver, origin, spec, &from, err);
    const int fault = rc < 0 ? 0 : start_fault(spec, from);

    if (rc == 0 && fault < 0)
        rc = wr_fake_fail(fault, WR_FAKE_RESTORE, err);
    if (rc < 0)
        return rc;
    struct wr_instance *instance = wr_calloc(1, sizeof(*instance));
    if (!instance)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "start a sandbox");
    if (!spec->id[0])
        wr_random_id(spec->id, WR_ID_LEN);
    if (origin == WR_FROM_TEMPLATE || origin == WR_FROM_SNAPSHOT)
        spec->created_ms = wr_wall_ms();
    const bool booted = !from || !from->saved.memory || origin == WR_FROM_SAVED_FILES;
    spec->restored = !booted;
    instance->driver = driver;
    instance->owner = owner;
    instance->origin = origin;
    instance->fault = fault;
    wr_spec_copy(spec, &instance->spec);
    wr_list_append(&driver->instances, &instance->link);
    /* Memory has the environment that it was saved with. */
    if (!booted) {
        json_decref(instance->spec.env);
        instance->spec.env = json_incref(from->spec.env);
    }
    rc = wr_fake_later(instance, on_start, err);
    if (rc < 0) {
        wr_fake_drop(instance);
        return rc;
    }
    *ret = instance;
    *ret_booted = booted;
    return 0;
}

static int fake_saved_remove(struct wr_driver *driver, const char *id, struct wr_error *err)
{
    const struct wr_fake_saved *s = wr_fake_saved_find(&driver->saved, id, true);
    int rc = s ? wr_fake_fail(wr_fake_fault(s->spec.env, WR_FAKE_REMOVE), WR_FAKE_REMOVE, err) : 0;

    return rc == 0 ? wr_fake_saved_remove(&driver->saved, id, err) : rc;
}

static int fake_saved_list(struct wr_driver *driver, const char *after, size_t max,
                           void (*fn)(const struct wr_saved *saved, void *data), void *data,
                           bool *ret_more, struct wr_error *err)
{
    (void)err;
    wr_fake_saved_list(&driver->saved, after, max, fn, data, ret_more);
    return 0;
}

static void fake_checkpoint(struct wr_driver *driver, struct wr_checkpoint *ret)
{
    struct wr_error ignored;

    driver->holds = !driver->holds;
    wr_list_foreach(it, &driver->instances) {
        struct wr_instance *instance = wr_list_entry(it, struct wr_instance, link);
        wr_timer_fn fn = instance->held;
        instance->held = NULL;
        if (fn)
            (void)!wr_timer_start(driver->loop, &instance->timer, 0, fn, instance, &ignored);
    }
    *ret = (struct wr_checkpoint){.state = WR_CHECKPOINT_WORKS, .version = "fake"};
}

static int fake_assign(struct wr_instance *instance, const struct wr_spec *spec,
                       struct wr_error *err)
{
    struct wr_spec now = *spec;

    (void)err;
    now.env = instance->spec.env;
    instance->spec = now;
    return 0;
}

static int fake_stats(struct wr_instance *instance, struct wr_driver_stats *ret,
                      struct wr_error *err)
{
    (void)instance;
    (void)err;
    *ret = (struct wr_driver_stats){.memory_bytes = WR_MIB,
                                    .cache_bytes = WR_KIB,
                                    .memory_limit_bytes = WR_MEMORY_BYTES_DEFAULT,
                                    .pids = 1};
    return 0;
}

static int fake_share_make(struct wr_driver *driver, const char *id, uint64_t size_bytes,
                           struct wr_error *err)
{
    return wr_fake_share_make(&driver->shares, id, size_bytes, err);
}

static int fake_share_remove(struct wr_driver *driver, const char *id, struct wr_error *err)
{
    return wr_fake_share_remove(&driver->shares, id, err);
}

static int fake_share_list(struct wr_driver *driver, const char *after, size_t max, wr_share_fn fn,
                           void *data, bool *ret_more, struct wr_error *err)
{
    (void)err;
    wr_fake_share_list(&driver->shares, after, max, fn, data, ret_more);
    return 0;
}

static int fake_templates(struct wr_driver *driver,
                          void (*fn)(const struct wr_template *t, void *data), void *data,
                          struct wr_error *err)
{
    const struct wr_template t = {.name = "base", .layer_count = 1};

    (void)driver;
    (void)err;
    fn(&t, data);
    return 0;
}

static void fake_zygote(struct wr_driver *driver, const char *template_name,
                        struct wr_driver_zygote *ret)
{
    (void)driver;
    (void)template_name;
    *ret = (struct wr_driver_zygote){.state = "none", .reason = "the fake driver has no zygotes"};
}

static void fake_teardown(struct wr_driver *driver)
{
    (void)driver;
}

const struct wr_driver_ops wr_driver_fake = {
    .name = "fake",
    .open = fake_open,
    .close = fake_close,
    .recover = fake_recover,
    .start = fake_start,
    .kill = wr_fake_kill,
    .freeze = wr_fake_freeze,
    .page_out = wr_fake_page_out,
    .note_reason = wr_fake_note_reason,
    .hibernate = wr_fake_hibernate,
    .snapshot = wr_fake_snapshot,
    .rebase = wr_fake_rebase,
    .saved_remove = fake_saved_remove,
    .saved_list = fake_saved_list,
    .checkpoint = fake_checkpoint,
    .assign = fake_assign,
    .sockets = wr_fake_sockets,
    .stats = fake_stats,
    .share_make = fake_share_make,
    .share_remove = fake_share_remove,
    .share_list = fake_share_list,
    .templates = fake_templates,
    .zygote = fake_zygote,
    .teardown = fake_teardown,
};
