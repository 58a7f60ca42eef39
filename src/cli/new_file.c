#include "cli/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/rand.h"

int wr_new_file(const char *path, int (*fill)(int fd, void *data, struct wr_error *err), void *data,
                struct wr_error *err)
{
    char suffix[9];

    wr_random_id(suffix, 8);
    wr_auto_free char *temporary = wr_asprintf("%s.%s", path, suffix);
    if (!temporary)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "copy");
    wr_auto_close int fd =
        open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "create %.150s", temporary);
    int r = fill(fd, data, err);
    if (r == 0 && rename(temporary, path) < 0)
        r = wr_fail_errno(err, wr_code_from_errno(errno), "replace %.150s", path);
    if (r < 0)
        (void)unlink(temporary);
    return r;
}
