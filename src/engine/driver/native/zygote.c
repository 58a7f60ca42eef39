#include "engine/driver/native/zygote.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/rand.h"
#include "engine/driver/native/kit.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/nest_link.h"
#include "log/log.h"

/* While it is warmed, code of the template runs: it has a sandbox's limits. */
#define MEMORY_BYTES (1 * WR_GIB)
#define DISK_BYTES   (1 * WR_GIB)
#define PIDS         64

#define MAX_FAILURES   3
#define REST_FIRST_MS  1000
#define REST_MAX_MS    60000
#define REST_LONGEST   8     /* times that the pause was doubled, or more */
#define LONG_ENOUGH_MS 60000 /* a life after which a crash counts as the first */

static void release_kit(struct wr_native_template *t)
{
    struct wr_kit *kit = wr_steal_ptr(&t->zygote.kit);

    wr_leftovers_add(t->driver, kit); /* kills what is left in its groups */
}

void wr_native_zygote_drop(struct wr_native_template *t)
{
    wr_timer_stop(&t->zygote.rest);
    release_kit(t);
    t->zygote = (struct wr_native_zygote){.state = WR_NATIVE_ZYGOTE_WANTED};
}

void wr_native_zygote_nest_gone(struct wr_driver *driver, const struct wr_nest_link *nest)
{
    wr_list_foreach(it, &driver->templates) {
        struct wr_native_template *t = wr_list_entry(it, struct wr_native_template, link);
        if (t->nest == nest)
            wr_native_zygote_drop(t);
    }
}

/* Contexts start plainly at once instead of waiting for it. */
static void announce_none(struct wr_native_template *t)
{
    struct wr_error err;

    if (wr_nest_link_alive(t->nest) && wr_nest_link_no_zygote(t->nest, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, NULL);
}

static void give_up(struct wr_native_template *t, const struct wr_error *why)
{
    t->zygote.state = WR_NATIVE_ZYGOTE_NONE;
    t->zygote.reason = *why;
    announce_none(t);
}

static void on_rest_over(struct wr_timer *timer, void *data)
{
    struct wr_native_template *t = data;

    (void)timer;
    t->zygote.state = WR_NATIVE_ZYGOTE_WANTED;
    wr_native_refill(t->driver); /* not beside the start of a sandbox */
}

static void rest(struct wr_native_template *t, unsigned times)
{
    struct wr_error err;
    uint64_t delay_ms = REST_FIRST_MS;

    for (unsigned i = 1; i < times && delay_ms < REST_MAX_MS; i++)
        delay_ms *= 2;
    t->zygote.state = WR_NATIVE_ZYGOTE_RESTING;
    if (delay_ms > REST_FIRST_MS)
        announce_none(t);
    if (wr_timer_start(t->driver->loop, &t->zygote.rest, WR_MIN(delay_ms, (uint64_t)REST_MAX_MS),
                       on_rest_over, t, &err) < 0)
        give_up(t, &err);
}

static void on_failure(struct wr_native_template *t, const struct wr_error *error)
{
    struct wr_native_zygote *z = &t->zygote;

    if (error->code == WR_E_NOT_FOUND) { /* no Python: nothing to complain about */
        wr_log(WR_LOG_INFO, "no zygote", "template", t->t.name, "reason", error->msg, NULL);
        give_up(t, error);
        return;
    }
    if (++z->failures < MAX_FAILURES) {
        wr_log(WR_LOG_INFO, "a zygote could not be warmed; another attempt follows", "template",
               t->t.name, "reason", error->msg, NULL);
        rest(t, z->failures);
        return;
    }
    wr_log(WR_LOG_WARN, "no zygote: contexts of this template start plainly", "template", t->t.name,
           "reason", error->msg, NULL);
    give_up(t, error);
}

static void on_crash(struct wr_native_template *t, const struct wr_error *error)
{
    struct wr_native_zygote *z = &t->zygote;

    wr_log(WR_LOG_WARN, "a zygote ended and is replaced", "template", t->t.name, "reason",
           error->msg, NULL);
    z->reason = *error;
    z->crashes = wr_mono_ms() - z->ready_ms < LONG_ENOUGH_MS ? z->crashes + 1 : 1;
    rest(t, z->crashes);
}

/* From here on only our own code runs in it, and the page tables of contexts are charged to it. */
static void on_ready(struct wr_native_template *t)
{
    struct wr_native_zygote *z = &t->zygote;
    const struct wr_cgroup_limits limits = {.pids_max = PIDS};
    struct wr_error err;

    z->state = WR_NATIVE_ZYGOTE_READY;
    z->failures = 0;
    z->ready_ms = wr_mono_ms();
    wr_log(WR_LOG_INFO, "a zygote is ready", "template", t->t.name, NULL);
    if (wr_cgroup_set_limits(z->kit->cgroup, &limits, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, NULL);
}

void wr_native_zygote_event(struct wr_driver *driver, const struct wr_nest_link *nest,
                            const char *id, const struct wr_error *error)
{
    wr_list_foreach(it, &driver->templates) {
        struct wr_native_template *t = wr_list_entry(it, struct wr_native_template, link);
        if (t->nest != nest || !t->zygote.kit || !wr_streq(t->zygote.kit->id, id))
            continue; /* another one: of an earlier engine, or one that was dropped */
        const bool was_ready = t->zygote.state == WR_NATIVE_ZYGOTE_READY;
        if (error->code == 0) {
            on_ready(t);
            return;
        }
        release_kit(t);
        if (was_ready)
            on_crash(t, error);
        else
            on_failure(t, error);
        return;
    }
}

static int make_kit(struct wr_native_template *t, struct wr_error *err)
{
    struct wr_spec spec = {.memory_bytes = MEMORY_BYTES,
                           .cpu_millis = WR_CPU_MILLIS_DEFAULT,
                           .disk_bytes = DISK_BYTES,
                           .pids = PIDS,
                           .open_files = WR_OPEN_FILES_DEFAULT,
                           .created_ms = wr_wall_ms()};
    /* For whoever looks at control groups and directories. */
    static const char prefix[] = "zygote";
    char id[WR_ID_LEN + 1];

    wr_random_id(id, WR_ID_LEN);
    memcpy(id, prefix, sizeof(prefix) - 1);
    int rc = wr_kit_new(t, id, &t->zygote.kit, err);

    if (rc < 0)
        return rc;
    memcpy(spec.id, t->zygote.kit->id, sizeof(spec.id));
    (void)!wr_strcopy(spec.template_name, sizeof(spec.template_name), t->t.name);
    spec.slot = t->zygote.kit->slot;
    rc = wr_kit_apply(t->driver, t->zygote.kit, &spec, err);
    /* The next engine finds no sandbox of this name in the nest and removes everything; the record
     * keeps the slot until that is done. */
    return rc ? rc : wr_kit_save_record(t->driver, t->zygote.kit, &spec, err);
}

void wr_native_zygote_start(struct wr_native_template *t)
{
    struct wr_native_zygote *z = &t->zygote;
    struct wr_error err = {0};

    if (z->state != WR_NATIVE_ZYGOTE_WANTED || t->retired || t->layer_count == 0 ||
        !wr_nest_link_alive(t->nest))
        return;
    z->state = WR_NATIVE_ZYGOTE_WARMING;
    int rc = make_kit(t, &err);
    if (rc == 0)
        rc = wr_nest_link_zygote(t->nest, z->kit, t->layers_id, &err);
    if (rc < 0) {
        /* Not the template's fault: no slot, no space, or the nest is gone. */
        static struct wr_log_limit limit;
        wr_log_limited(&limit, WR_LOG_WARN, err.msg, "template", t->t.name, NULL);
        release_kit(t);
        rest(t, REST_LONGEST);
        return;
    }
    z->kit->overlay_fd = wr_close(z->kit->overlay_fd); /* the nest has it */
}

void wr_native_zygote_state(struct wr_driver *driver, const char *template_name,
                            struct wr_driver_zygote *ret)
{
    static const char *const names[] = {
        [WR_NATIVE_ZYGOTE_WANTED] = "starting", [WR_NATIVE_ZYGOTE_WARMING] = "starting",
        [WR_NATIVE_ZYGOTE_READY] = "ready",     [WR_NATIVE_ZYGOTE_RESTING] = "starting",
        [WR_NATIVE_ZYGOTE_NONE] = "none",
    };

    *ret = (struct wr_driver_zygote){.state = "unused"};
    wr_list_foreach(it, &driver->templates) {
        const struct wr_native_template *t = wr_list_entry(it, struct wr_native_template, link);
        if (t->retired || !t->nest || !wr_streq(t->t.name, template_name))
            continue;
        ret->state = names[t->zygote.state];
        if (t->zygote.state == WR_NATIVE_ZYGOTE_NONE)
            (void)!wr_strformat(ret->reason, sizeof(ret->reason), "%.120s", t->zygote.reason.msg);
        return;
    }
}
