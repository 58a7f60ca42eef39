/*
 * The fake driver: no isolation and no processes, for tests of the server and the engine's core
 * without root. A "sandbox" is an entry in memory; its sockets are ordinary ones of the host, and
 * its egress sockets are bound to ports of the host's loopback.
 * Templates: "base" always exists; "broken" fails to start; "slow" and "slow-broken" take a while.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/rand.h"
#include "engine/action.h"
#include "engine/driver/driver.h"
#include "engine/driver/fake_shares.h"
#include "template/store.h"

#define SLOW_MS 200

struct wr_driver {
    struct wr_loop *loop;
    struct wr_driver_callbacks callbacks;
    struct wr_list instances;
    struct wr_list shares;
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
    wr_list_init(&driver->shares);
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
    wr_fake_shares_free(&driver->shares);
    free(driver);
}

static int fake_recover(struct wr_driver *driver, struct wr_error *err)
{
    (void)driver;
    (void)err;
    return 0;
}

static int open_egress_socket(int type)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    wr_auto_close int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        (type == SOCK_STREAM ? listen(fd, SOMAXCONN)
                             : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on))) < 0)
        return -1;
    return wr_steal_fd(&fd);
}

/* Those for IPv4, as of a host without IPv6. */
static int open_egress(struct wr_egress_sockets *ret, struct wr_error *err)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};

    for (*ret = WR_EGRESS_SOCKETS_NONE; ret->count < WR_ARRAY_SIZE(types); ret->count++) {
        ret->fds[ret->count] = open_egress_socket(types[ret->count]);
        if (ret->fds[ret->count] < 0) {
            int rc = wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "open an egress socket");
            wr_egress_sockets_close(ret);
            return rc;
        }
    }
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
    if (rc == 0)
        rc = wr_fake_shares_check(&driver->shares, spec, err);
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
                        struct wr_egress_sockets *ret_egress, struct wr_error *err)
{
    size_t made = 0;
    int rc = 0;

    (void)instance;
    for (; rc == 0 && made < count; made += rc == 0) {
        ret_fds[made] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (ret_fds[made] < 0)
            rc = wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "open a socket");
    }
    if (rc == 0 && ret_egress)
        rc = open_egress(ret_egress, err);
    while (rc < 0 && made-- > 0)
        wr_close(ret_fds[made]);
    return rc;
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
    .kill = fake_kill,
    .assign = fake_assign,
    .sockets = fake_sockets,
    .stats = fake_stats,
    .share_make = fake_share_make,
    .share_remove = fake_share_remove,
    .share_list = fake_share_list,
    .templates = fake_templates,
    .zygote = fake_zygote,
    .teardown = fake_teardown,
};
