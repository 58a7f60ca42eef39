/* The volumes of the API in the native driver: made and removed in the data volume
 * (storage/share.h), mounted for one sandbox at a time. */
#pragma once

#include "engine/driver/driver.h"

struct wr_kit;

/* Detached mounts on their way to the nest, in the order of the specification. */
struct wr_share_mounts {
    int fds[WR_ACTION_MAX_VOLUMES];
    size_t count;
};

/* Makes those that `spec` names, with the ids of the kit's slot; NOT_FOUND. `ret` is zeroed by the
 * caller and filled as far as it went, also on failure. */
int wr_share_mounts_make(struct wr_driver *driver, const struct wr_kit *kit,
                         const struct wr_spec *spec, struct wr_share_mounts *ret,
                         struct wr_error *err) WR_MUST_CHECK;
void wr_share_mounts_close(struct wr_share_mounts *mounts);

/* See wr_driver_ops. */
int wr_native_share_make(struct wr_driver *driver, const char *id, uint64_t size_bytes,
                         struct wr_error *err) WR_MUST_CHECK;
int wr_native_share_remove(struct wr_driver *driver, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
int wr_native_share_list(struct wr_driver *driver, const char *after, size_t max, wr_share_fn fn,
                         void *data, bool *ret_more, struct wr_error *err) WR_MUST_CHECK;
