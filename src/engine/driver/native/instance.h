/* One sandbox of the native driver: from the request to its nest until its last resource is
 * released. */
#pragma once

#include "base/list.h"
#include "engine/driver/driver.h"
#include "engine/driver/native/kit.h"
#include "engine/driver/native/nest_link.h"

struct wr_job;
struct wr_restore;
struct wr_saving;

enum wr_instance_state {
    WR_INSTANCE_SPAWNING = 0,  /* the nest was asked */
    WR_INSTANCE_BOOTING = 1,   /* its process runs; the status pipe has not answered */
    WR_INSTANCE_RUNNING = 2,   /* or is frozen */
    WR_INSTANCE_DYING = 3,     /* killed, its pidfd has not reported yet */
    WR_INSTANCE_RESTORING = 4, /* restore.c; no process is known yet */
    WR_INSTANCE_LEAVING = 5,   /* it is saved, and its processes are being ended (hibernate.c) */
};

struct wr_instance {
    struct wr_list link; /* driver->instances, or driver->leftovers when only resources are left */
    struct wr_driver *driver;
    struct wr_nest_link *nest; /* borrowed; NULL once it is gone, and of one that was restored */
    struct wr_kit *kit;        /* owned */
    void *owner;               /* the engine's sandbox */
    enum wr_instance_state state;
    enum wr_gone_reason reason;
    bool starting;             /* counted in driver->starting */
    uint64_t manifest_version; /* of a blank: the template's when it was started; else 0 */
    int pidfd, ns_fd, status_fd;
    enum wr_nest_redirect redirect; /* as the nest says */
    struct wr_source exit_source, status_source;
    struct wr_timer deadline; /* for the start, for the end, for a record (freeze.c) */
    struct wr_error start_error;
    struct wr_restore
        *restore;             /* owned: of one that is made from what was saved, until it started */
    struct wr_saving *saving; /* owned: a hibernation or a snapshot that is under way */
    struct wr_job *paging;    /* owned: a page-out that is under way */
    bool exited, kill_wanted; /* while it is being saved: what to do when that is over */
};

/* In the driver's list, counted as starting. NULL without memory; the kit is taken over, also then.
 */
struct wr_instance *wr_instance_new(struct wr_driver *driver, struct wr_kit *kit, void *owner);
/* Asks the nest to boot it; the outcome is told to the owner. `layers_id`: of the kit's overlay.
 * After a failure it has to be released. */
int wr_instance_start(struct wr_native_template *t, struct wr_instance *instance,
                      const struct wr_spec *spec, uint64_t layers_id, struct wr_error *err)
    WR_MUST_CHECK;
/* One that an earlier engine started. Takes over kit and descriptors, also on failure. */
int wr_instance_adopt(struct wr_driver *driver, struct wr_kit *kit,
                      const struct wr_nest_sandbox *sandbox, struct wr_instance **ret,
                      struct wr_error *err) WR_MUST_CHECK;
void wr_instance_kill(struct wr_instance *instance);
/* See wr_driver_ops.assign. */
int wr_instance_assign(struct wr_instance *instance, const struct wr_spec *spec,
                       struct wr_error *err) WR_MUST_CHECK;
/* Before a nest's link is freed: its sandboxes may still be ending. */
void wr_instances_forget_nest(struct wr_driver *driver, const struct wr_nest_link *nest);
/* native/sockets.c. See wr_driver_ops.sockets. */
int wr_instance_sockets(struct wr_instance *instance, size_t count, int *ret_fds,
                        struct wr_egress_sockets *ret_egress, struct wr_error *err) WR_MUST_CHECK;
int wr_instance_stats(struct wr_instance *instance, struct wr_driver_stats *ret,
                      struct wr_error *err) WR_MUST_CHECK;
/* Closes what this engine holds; the sandbox lives on. */
void wr_instance_detach(struct wr_instance *instance);

/* ---- For restore.c and hibernate.c ---- */

/* Releases everything. */
void wr_instance_release(struct wr_instance *instance);
/* Ends a start that has no process any more: tells the owner and releases everything. */
void wr_instance_fail_start(struct wr_instance *instance, const struct wr_error *error);
/* The agent listens. */
void wr_instance_started(struct wr_instance *instance);
/* A descriptor that a nest passed must be a network namespace, and not the host's. */
int wr_instance_check_netns(int fd, struct wr_error *err) WR_MUST_CHECK;
/* Has its end reported by its pidfd. */
int wr_instance_watch(struct wr_instance *instance, struct wr_error *err) WR_MUST_CHECK;
/* Sends SIGKILL to all of it; its end is reported as always. */
void wr_instance_end(struct wr_instance *instance);
/* After a failed job, whose error may only say that the processes are gone: false when they are, or
 * are to be killed. */
bool wr_instance_lives(struct wr_instance *instance);
/* It has ended, or was to be killed, while it was being saved, which is over now. */
void wr_instance_saving_over(struct wr_instance *instance);
/* No process is left: releases everything and tells the owner. */
void wr_instance_gone(struct wr_instance *instance);
