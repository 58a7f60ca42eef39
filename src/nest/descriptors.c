#include "nest/descriptors.h"

#include <fcntl.h>
#include <unistd.h>

/* Above all numbers that are given out below. */
#define OUT_OF_THE_WAY 64

static int put_null_on_stdio(struct wr_error *err)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null_fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open /dev/null");
    for (int fd = 0; fd < WR_FIRST_KEPT_FD; fd++)
        if (dup3(null_fd, fd, 0) < 0 && null_fd != fd)
            return wr_fail_errno(err, WR_E_INTERNAL, "arrange descriptors");
    return 0;
}

int wr_descriptors_arrange(int **kept, size_t count, bool inherit, struct wr_error *err)
{
    /* First all away, so that no dup3 below overwrites what a later one needs. */
    for (size_t i = 0; i < count; i++) {
        int high = fcntl(*kept[i], F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
        if (high < 0)
            return wr_fail_errno(err, WR_E_INTERNAL, "arrange descriptors");
        *kept[i] = high;
    }
    int rc = put_null_on_stdio(err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        if (dup3(*kept[i], WR_FIRST_KEPT_FD + (int)i, inherit ? 0 : O_CLOEXEC) < 0)
            return wr_fail_errno(err, WR_E_INTERNAL, "arrange descriptors");
        *kept[i] = WR_FIRST_KEPT_FD + (int)i;
    }
    if (close_range(WR_FIRST_KEPT_FD + (unsigned)count, ~0U, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "close inherited descriptors");
    return 0;
}
