/** @file
 * Volumes: directories of a fixed size that several sandboxes mount, and that outlive them
 * (`volumes` of struct wr_sandbox_opts). A server without them: UNIMPLEMENTED. Thread-safe.
 */
#pragma once

#include "warren/client.h"

WR_BEGIN_DECLS

/** `name`: 1 to 128 of [A-Za-z0-9_-], NULL: a random one. `size_bytes` 0: the server's default.
 * *ret, the caller's: {"volumeID", "name", ...}. ALREADY_EXISTS. */
WR_PUBLIC int wr_volume_create(struct wr_client *client, const char *name, uint64_t size_bytes,
                               const struct wr_wait *wait, struct wr_value **ret,
                               struct wr_error *err);
/** By its id, with all that is in it; one that is gone is no error. ABORTED while a sandbox has it
 * mounted. */
WR_PUBLIC int wr_volume_remove(struct wr_client *client, const char *id, const struct wr_wait *wait,
                               struct wr_error *err);
/** All of this key, an array of {"volumeID", "name", ...}. */
WR_PUBLIC int wr_volume_list(struct wr_client *client, const struct wr_wait *wait,
                             struct wr_value **ret, struct wr_error *err);

WR_END_DECLS
