#include "agent/fs/network_fs.h"

#include <linux/magic.h>
#include <sys/statfs.h>

#include "base/base.h"

bool wr_is_network_fs(const char *path)
{
    /* The last two have no name in every version of the header. */
    static const uint32_t types[] = {NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, FUSE_SUPER_MAGIC,
                                     0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */};
    struct statfs fs;

    if (statfs(path, &fs) < 0)
        return false;
    for (size_t i = 0; i < WR_ARRAY_SIZE(types); i++) {
        if ((uint32_t)fs.f_type == types[i])
            return true;
    }
    return false;
}
