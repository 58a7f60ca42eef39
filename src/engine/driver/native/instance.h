/* One sandbox of the native driver: from the request to its nest until its last resource is
 * released. */
#pragma once

#include "base/list.h"
#include "engine/driver/driver.h"
#include "engine/driver/native/kit.h"
#include "engine/driver/native/nest_link.h"

enum wr_instance_state {
    WR_INSTANCE_SPAWNING = 0, /* the nest was asked */
    WR_INSTANCE_BOOTING = 1,  /* its process runs; the status pipe has not answered */
    WR_INSTANCE_RUNNING = 2,
    WR_INSTANCE_DYING = 3, /* killed, its pidfd has not reported yet */
};

struct wr_instance {
    struct wr_list link; /* driver->instances, or driver->leftovers when only resources are left */
    struct wr_driver *driver;
    struct wr_nest_link *nest; /* borrowed; NULL once it is gone */
    struct wr_kit *kit;        /* owned */
    void *owner;               /* the engine's sandbox */
    enum wr_instance_state state;
    enum wr_gone_reason reason;
    bool starting;             /* counted in driver->starting */
    uint64_t manifest_version; /* of a blank: the template's when it was started; else 0 */
    int pidfd, ns_fd, status_fd;
    enum wr_nest_redirect redirect; /* as the nest says */
    struct wr_source exit_source, status_source;
    struct wr_timer deadline; /* for the start */
    struct wr_error start_error;
};

/* Asks the nest. `kit` is taken over, also on failure. */
int wr_instance_start(struct wr_native_template *t, struct wr_kit *kit, const struct wr_spec *spec,
                      void *owner, struct wr_instance **ret, struct wr_error *err) WR_MUST_CHECK;
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
/* See wr_driver_ops.sockets. */
int wr_instance_sockets(struct wr_instance *instance, size_t count, int *ret_fds,
                        struct wr_egress_sockets *ret_egress, struct wr_error *err) WR_MUST_CHECK;
int wr_instance_stats(struct wr_instance *instance, struct wr_driver_stats *ret,
                      struct wr_error *err) WR_MUST_CHECK;
/* Closes what this engine holds; the sandbox lives on. */
void wr_instance_detach(struct wr_instance *instance);
