#include "engine/driver/native/shares.h"

#include <sys/mount.h>

#include "base/fd.h"
#include "engine/driver/native/kit.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/native.h"
#include "engine/isolate/idmapped.h"

/* A setuid file or a device node that one sandbox leaves there is nothing special in the others. */
static uint64_t attributes(const struct wr_spec_share *share)
{
    return (uint64_t)MOUNT_ATTR_NOSUID | (share->read_only ? MOUNT_ATTR_RDONLY : 0);
}

int wr_share_mounts_make(struct wr_driver *driver, const struct wr_kit *kit,
                         const struct wr_spec *spec, struct wr_share_mounts *ret,
                         struct wr_error *err)
{
    for (size_t i = 0; i < spec->share_count; i++) {
        const struct wr_spec_share *share = &spec->shares[i];
        wr_auto_close int dir = -1;
        int rc = wr_share_open(driver->shares, share->id, &dir, err);
        if (rc == 0)
            rc = wr_idmapped_clone(dir, driver->slots.userns_fds[kit->slot], attributes(share),
                                   "a volume", &ret->fds[ret->count], err);
        if (rc < 0)
            return rc;
        ret->count++;
    }
    return 0;
}

void wr_share_mounts_close(struct wr_share_mounts *mounts)
{
    while (mounts->count > 0)
        wr_close(mounts->fds[--mounts->count]);
}

int wr_native_share_make(struct wr_driver *driver, const char *id, uint64_t size_bytes,
                         struct wr_error *err)
{
    return wr_share_make(driver->shares, id, size_bytes, err);
}

int wr_native_share_remove(struct wr_driver *driver, const char *id, struct wr_error *err)
{
    int rc = wr_share_remove(driver->shares, id, err);

    wr_leftovers_collect(driver); /* a large tree goes in steps where that takes time */
    return rc;
}

int wr_native_share_list(struct wr_driver *driver, const char *after, size_t max, wr_share_fn fn,
                         void *data, bool *ret_more, struct wr_error *err)
{
    return wr_share_list(driver->shares, after, max, fn, data, ret_more, err);
}
