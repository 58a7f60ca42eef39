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

/* What is on the disk of a hibernated sandbox, or of a snapshot. */
struct wr_saved {
    char id[WR_ID_LEN + 1];     /* of the snapshot; a hibernated sandbox's own */
    const struct wr_spec *spec; /* of the sandbox it was taken of; borrowed during the call */
    bool memory;
    uint64_t bytes;      /* on the volume */
    uint64_t created_ms; /* wall clock */
    uint64_t frozen_us;  /* how long the sandbox stood still for it */
    /* Of a hibernated sandbox: the snapshot that stands for it after a rollback; "" else. */
    char source[WR_ID_LEN + 1];
};

/* Whether running sandboxes can be written to disk here. */
enum wr_checkpoint_state {
    WR_CHECKPOINT_UNTESTED = 0, /* the self-test runs */
    WR_CHECKPOINT_WORKS = 1,
    WR_CHECKPOINT_NONE = 2,
};
struct wr_checkpoint {
    enum wr_checkpoint_state state;
    char version[32]; /* of CRIU; "" without one */
    char reason[200]; /* why not; "" else */
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
     * afterwards; a hibernate() or snapshot() that was under way has no other outcome. */
    void (*on_gone)(void *owner, enum wr_gone_reason reason);
    /* recover() found a living sandbox. Takes the contents of `spec` over. Returns its owner, or
     * NULL to have it killed. */
    void *(*on_found)(void *data, struct wr_spec *spec, struct wr_instance *instance);
    /* recover() found a hibernated sandbox. */
    void (*on_found_saved)(void *data, const struct wr_saved *saved);
    /* The outcome of hibernate(). `saved`: no process is left and the instance is invalid, as after
     * on_gone(). With `err` the instance is as before, frozen: FAILED_PRECONDITION when it cannot
     * be dumped, other codes when it could not be done now. */
    void (*on_hibernated)(void *owner, const struct wr_saved *saved, const struct wr_error *err);
    /* The outcome of snapshot(); the instance is as before. */
    void (*on_snapshot)(void *owner, const struct wr_saved *saved, const struct wr_error *err);
    void *data; /* of on_found and on_found_saved */
};

/* What start() begins from. */
enum wr_origin {
    WR_FROM_TEMPLATE = 0,
    WR_FROM_SAVED = 1,       /* the hibernated sandbox spec->id itself, with its memory if that was
                                saved */
    WR_FROM_SAVED_FILES = 2, /* the same, without: a boot */
    WR_FROM_SNAPSHOT = 3,    /* spec->snapshot; spec->id is new or empty */
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
    /* Completes spec (id, limits, created_ms, slot; not from the template: everything that was not
     * given, and `booted` says whether memory comes with it) and begins; the outcome comes by
     * on_started, never from inside this call. What was saved stays until then, and is removed
     * when SAVED or SAVED_FILES has started. */
    int (*start)(struct wr_driver *driver, enum wr_origin origin, struct wr_spec *spec, void *owner,
                 struct wr_instance **ret, bool *ret_booted, struct wr_error *err);
    /* One that hibernates or is being saved ends when that is over. */
    void (*kill)(struct wr_instance *instance);
    /* Stops or continues every process and writes the level into the record. Nothing of the
     * sandbox's is executed any more when it returns; what the kernel does for it may take a little
     * longer. */
    int (*freeze)(struct wr_instance *instance, bool frozen, struct wr_error *err);
    /* Of a frozen one: anonymous memory goes to swap, in the background. FAILED_PRECONDITION
     * without swap. */
    int (*page_out)(struct wr_instance *instance, struct wr_error *err);
    /* Of one that stays frozen or paged: why, for the record. At another level that is forgotten.
     */
    int (*note_reason)(struct wr_instance *instance, const char *reason, struct wr_error *err);
    /* Of a frozen one; the outcome comes by on_hibernated, never from inside this call. */
    int (*hibernate)(struct wr_instance *instance, bool memory, struct wr_error *err);
    /* Of a running or frozen one, which stands still as short as possible. The outcome comes by
     * on_snapshot. */
    int (*snapshot)(struct wr_instance *instance, const char *snapshot_id, bool memory,
                    struct wr_error *err);
    /* The hibernated sandbox `spec->id`, running or not, becomes one that is hibernated at the
     * state of `snapshot_id`. A running one has to be ended by the caller afterwards. On return it
     * is on the disk; ret->spec is NULL. */
    int (*rebase)(struct wr_driver *driver, const struct wr_spec *spec, const char *snapshot_id,
                  struct wr_saved *ret, struct wr_error *err);
    /* What was saved: a hibernated sandbox with its files, or a snapshot. NOT_FOUND. */
    int (*saved_remove)(struct wr_driver *driver, const char *id, struct wr_error *err);
    /* Snapshots only; ids ascend, those behind `after`. */
    int (*saved_list)(struct wr_driver *driver, const char *after, size_t max,
                      void (*fn)(const struct wr_saved *saved, void *data), void *data,
                      bool *ret_more, struct wr_error *err);
    void (*checkpoint)(struct wr_driver *driver, struct wr_checkpoint *ret);
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
