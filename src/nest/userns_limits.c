#include "nest/userns_limits.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"

int wr_userns_limits_apply(struct wr_error *err)
{
    static const struct {
        const char *path, *value;
    } rows[] = {
        {"/proc/sys/user/max_user_namespaces", "0"},
        {"/proc/sys/user/max_inotify_instances", "128"},
        {"/proc/sys/user/max_inotify_watches", "65536"},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        int rc = wr_file_write_str(AT_FDCWD, rows[i].path, rows[i].value);
        if (rc < 0 && rc != -ENOENT)
            return wr_fail(err, WR_E_INTERNAL, -rc, "write %s", rows[i].path);
    }
    return 0;
}
