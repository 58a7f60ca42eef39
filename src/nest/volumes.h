/* The volumes of a new sandbox: mounts that the engine has made (engine/isolate/share_mount.c) are
 * attached inside its root file system. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "nest/protocol.h"

/* Whether the part of a request that is about volumes can be used: their number, ended and absolute
 * paths. */
bool wr_volumes_are_sound(const struct wr_nest_request *request);

/*
 * Whether data must not be shared between files of its volumes: on btrfs with simple quotas, blocks
 * stay charged to the volume that they were written to, even when it is gone, so that another one
 * could hold any number of them beyond its limit.
 */
bool wr_volumes_forbid_clones(const struct wr_nest_request *request);

/*
 * Called in the sandbox's mount namespace, with its root entered and its other mounts made, as uid
 * 0 inside. `fds`: request->volume_count detached mounts, which stay the caller's. Missing
 * directories are made with 0755. Links of the template are followed inside the root, but never
 * into another mount: /proc, /dev, /run and what else is mounted stay as they are.
 */
int wr_volumes_attach(const struct wr_nest_request *request, const int *fds, struct wr_error *err)
    WR_MUST_CHECK;
