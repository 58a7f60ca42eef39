/*
 * The fake driver: no isolation and no processes, for tests of the server and the engine's core
 * without root. A "sandbox" is an entry in memory; its sockets are ordinary ones of the host.
 * Templates: "base" always exists; "broken" fails to start; "slow" and "slow-broken" take a while.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/rand.h"
#include "engine/action.h"
#include "engine/driver/driver.h"
#include "template/store.h"

#define SLOW_MS 200

struct wr_driver {
    struct wr_loop *loop;
    struct wr_driver_callbacks callbacks;
    struct wr_list instances;
};

struct wr_instance {
    struct wr_list link;
    struct wr_driver *driver;
    void *owner;
    bool fails;
    struct wr_timer timer; /* outcomes come from the loop, as with a real driver */
};

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
    *ret = driver;
    return 0;
}

static void drop(struct wr_instance *instance)
{
    wr_timer_stop(&instance->timer);
    wr_list_remove(&instance->link);
    free(instance);
}

static void fake_close(struct wr_driver *driver)
{
    wr_list_foreach(it, &driver->instances)
        drop(wr_list_entry(it, struct wr_instance, link));
    free(driver);
}

static int fake_recover(struct wr_driver *driver, struct wr_error *err)
{
    (void)driver;
    (void)err;
    return 0;
}

static void on_start(struct wr_timer *timer, void *data)
{
    struct wr_instance *instance = data;
    struct wr_driver *driver = instance->driver;
    void *owner = instance->owner;
    struct wr_error error;

    (void)timer;
    if (!instance->fails) {
        driver->callbacks.on_started(owner, NULL);
        return;
    }
    drop(instance);
    (void)wr_fail(&error, WR_E_INTERNAL, 0, "template broken cannot start: it never does");
    driver->callbacks.on_started(owner, &error);
}

static void on_kill(struct wr_timer *timer, void *data)
{
    struct wr_instance *instance = data;
    struct wr_driver *driver = instance->driver;
    void *owner = instance->owner;

    (void)timer;
    drop(instance);
    driver->callbacks.on_gone(owner, WR_GONE_KILLED);
}

static int fake_start(struct wr_driver *driver, struct wr_spec *spec, void *owner,
                      struct wr_instance **ret, struct wr_error *err)
{
    struct wr_template t = {.layer_count = 0};
    bool slow = wr_starts_with(spec->template_name, "slow"),
         fails = wr_ends_with(spec->template_name, "broken");

    if (!slow && !fails && !wr_streq(spec->template_name, "base"))
        return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no template %s", spec->template_name);
    int rc = wr_spec_complete(spec, &t, err);
    if (rc < 0)
        return rc;
    struct wr_instance *instance = wr_calloc(1, sizeof(*instance));
    if (!instance)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "start a sandbox");
    instance->driver = driver;
    instance->owner = owner;
    instance->fails = fails;
    rc =
        wr_timer_start(driver->loop, &instance->timer, slow ? SLOW_MS : 0, on_start, instance, err);
    if (rc < 0) {
        free(instance);
        return rc;
    }
    if (!spec->id[0])
        wr_random_id(spec->id, WR_ID_LEN);
    spec->created_ms = wr_wall_ms();
    wr_list_append(&driver->instances, &instance->link);
    *ret = instance;
    return 0;
}

static void fake_kill(struct wr_instance *instance)
{
    struct wr_error err;

    if (wr_timer_start(instance->driver->loop, &instance->timer, 0, on_kill, instance, &err) < 0)
        on_kill(&instance->timer, instance);
}

static int fake_assign(struct wr_instance *instance, const struct wr_spec *spec,
                       struct wr_error *err)
{
    (void)instance;
    (void)spec;
    (void)err;
    return 0;
}

static int fake_sockets(struct wr_instance *instance, size_t count, int *ret_fds,
                        struct wr_error *err)
{
    (void)instance;
    for (size_t i = 0; i < count; i++) {
        ret_fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (ret_fds[i] < 0) {
            int rc = wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "open a socket");
            while (i-- > 0)
                wr_close(ret_fds[i]);
            return rc;
        }
    }
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
    .kill = fake_kill,
    .assign = fake_assign,
    .sockets = fake_sockets,
    .stats = fake_stats,
    .templates = fake_templates,
    .zygote = fake_zygote,
    .teardown = fake_teardown,
};
