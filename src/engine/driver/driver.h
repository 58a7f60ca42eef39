/*
 * How isolation is done, behind one vtable: `native` (namespaces) and `fake` (no isolation, for
 * tests without root). The engine's core knows sandboxes by their specification and an opaque
 * instance.
 */
#pragma once

#include "engine/main.h"
#include "engine/spec.h"
#include "loop/loop.h"
#include "nest/egress_sockets.h"

struct wr_driver;
struct wr_template;
struct wr_instance;

enum wr_gone_reason {
    WR_GONE_EXITED = 0, /* PID 1 ended by itself */
    WR_GONE_KILLED = 1, /* wr_driver_ops.kill was called */
    WR_GONE_OOM = 2,    /* as EXITED, after the memory limit was hit */
};

struct wr_driver_stats {
    uint64_t memory_bytes, memory_peak_bytes, memory_limit_bytes, cache_bytes;
    uint64_t cpu_usec, pids, oom_kills;
    uint64_t disk_bytes, disk_limit_bytes;
};

/* What new contexts of a template come from. */
struct wr_driver_zygote {
    const char *state; /* "unused": no sandbox yet; "starting", "ready", "none"; constant */
    char reason[128];  /* why there is none; "" else */
};

struct wr_driver_callbacks {
    /* Once per successful start(): the agent listens (err NULL), or it could not start and
     * everything is undone. */
    void (*on_started)(void *owner, const struct wr_error *err);
    /* Once per instance that had started or was found: no process is left. The instance is invalid
     * afterwards. */
    void (*on_gone)(void *owner, enum wr_gone_reason reason);
    /* recover() found a living sandbox. Takes the contents of `spec` over. Returns its owner, or
     * NULL to have it killed. */
    void *(*on_found)(void *data, struct wr_spec *spec, struct wr_instance *instance);
    void *data; /* of on_found */
};

struct wr_driver_ops {
    const char *name;
    int (*open)(struct wr_loop *loop, const struct wr_engine_opts *opts,
                const struct wr_driver_callbacks *callbacks, struct wr_driver **ret,
                struct wr_error *err);
    /* Lets go of everything but leaves sandboxes alive. */
    void (*close)(struct wr_driver *driver);
    /* Finds the sandboxes of an earlier engine, reports them by on_found, and removes every
     * half-made thing. */
    int (*recover)(struct wr_driver *driver, struct wr_error *err);
    /* Completes spec (id, limits, created_ms, slot) and begins; the outcome comes by on_started,
     * never from inside this call. */
    int (*start)(struct wr_driver *driver, struct wr_spec *spec, void *owner,
                 struct wr_instance **ret, struct wr_error *err);
    void (*kill)(struct wr_instance *instance);
    /* A blank that runs becomes what `spec` says: its limits and its record. FAILED_PRECONDITION
     * when the template has changed since its start. */
    int (*assign)(struct wr_instance *instance, const struct wr_spec *spec, struct wr_error *err);
    /* `count` sockets inside the sandbox's network namespace, not connected; and, unless ret_egress
     * is NULL, new ones that take what leaves it: none on a host that cannot redirect that,
     * FAILED_PRECONDITION while somebody has the earlier ones. All the caller's; all or none. */
    int (*sockets)(struct wr_instance *instance, size_t count, int *ret_fds,
                   struct wr_egress_sockets *ret_egress, struct wr_error *err);
    int (*stats)(struct wr_instance *instance, struct wr_driver_stats *ret, struct wr_error *err);
    /* What the API calls volumes, see storage/share.h. share_remove() is called for those only that
     * no instance has mounted. */
    int (*share_make)(struct wr_driver *driver, const char *id, uint64_t size_bytes,
                      struct wr_error *err);
    int (*share_remove)(struct wr_driver *driver, const char *id, struct wr_error *err);
    int (*share_list)(struct wr_driver *driver, const char *after, size_t max, wr_share_fn fn,
                      void *data, bool *ret_more, struct wr_error *err);
    /* Every template, names ascending. */
    int (*templates)(struct wr_driver *driver, void (*fn)(const struct wr_template *t, void *data),
                     void *data, struct wr_error *err);
    void (*zygote)(struct wr_driver *driver, const char *template_name,
                   struct wr_driver_zygote *ret);
    /* Ends what outlives sandboxes: nests, mounts, control groups. No instance is left when it is
     * called. */
    void (*teardown)(struct wr_driver *driver);
};

extern const struct wr_driver_ops wr_driver_native;
extern const struct wr_driver_ops wr_driver_fake;
