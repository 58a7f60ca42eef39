#include "cli/criu_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli/serve_values.h"
#include "cli/settings.h"
#include "engine/snapshot/selftest.h"

const char *wr_criu_setting(const struct wr_conf *conf)
{
    const struct wr_opt_set set = {.opts = wr_serve_opts, .count = WR_SERVE_OPT_COUNT};

    for (size_t i = 0; i < set.count; i++) {
        if (!wr_streq(set.opts[i].name, "criu"))
            continue;
        const char *text = wr_setting_find(&set, i, conf).text;
        return *text ? text : NULL;
    }
    return NULL;
}

static int try(const struct wr_criu *criu, struct wr_error *err)
{
    char directory[] = "/tmp/warren-criu.XXXXXX";

    if (!mkdtemp(directory))
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "make a directory in /tmp");
    wr_auto_close int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? wr_fail_errno(err, WR_E_INTERNAL, "open %s", directory)
                    : wr_checkpoint_selftest(criu, fd, err);
    if (rmdir(directory) < 0 && rc == 0)
        rc = wr_fail_errno(err, WR_E_INTERNAL, "remove %s", directory);
    return rc;
}

void wr_criu_check(const char *setting, struct wr_criu_check *ret)
{
    *ret = (struct wr_criu_check){.tested = geteuid() == 0};
    if (wr_criu_find(setting, &ret->criu, &ret->why) < 0)
        ret->tested = false;
    else if (ret->tested)
        ret->works = try(&ret->criu, &ret->why) == 0;
}
