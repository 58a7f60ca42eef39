#include "engine/driver/native/pageout.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "engine/action.h"
#include "engine/driver/native/members.h"
#include "sys/syscall.h"

/* The kernel takes less than 2 GiB in one call, and stops at the first range that it does not like:
 * so each mapping has calls of its own. */
#define CHUNK_BYTES ((size_t)1 << 30)

/* 0 or -errno. */
static int advise(int pidfd, uintptr_t begin, uintptr_t end, uint64_t *bytes)
{
    for (uintptr_t at = begin; at < end;) {
        /* An address of another process: nothing here ever looks behind it. */
        struct iovec range = {.iov_base = (char *)NULL + at,
                              .iov_len = WR_MIN((size_t)(end - at), CHUNK_BYTES)};
        if (syscall(SYS_process_madvise, pidfd, &range, 1UL, MADV_PAGEOUT, 0U) < 0)
            return -errno;
        *bytes += range.iov_len;
        at += range.iov_len;
    }
    return 0;
}

static int page_out_process(pid_t pid, uint64_t *bytes, struct wr_error *err)
{
    char path[32], line[512];
    unsigned long begin = 0, end = 0;
    wr_auto_close int pidfd = wr_pidfd_open(pid);
    FILE *maps = wr_strformat(path, sizeof(path), "/proc/%d/maps", pid) ? fopen(path, "re") : NULL;
    int rc = 0;

    /* Locked and special mappings are refused (EINVAL); of a process that has ended none is left.
     */
    while (pidfd >= 0 && maps && rc != -ENOSYS && rc != -EPERM && fgets(line, sizeof(line), maps))
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            rc = advise(pidfd, begin, end, bytes);
    if (maps)
        (void)fclose(maps);
    if (rc == -ENOSYS || rc == -EPERM)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, -rc, "page out a sandbox");
    return 0;
}

int wr_page_out(const struct wr_kit *kit, uint64_t *ret_bytes, struct wr_error *err)
{
    static pid_t pids[WR_PIDS_MAX];
    size_t count = 0;
    uint64_t bytes = 0;
    int rc = wr_members_list(kit, pids, WR_ARRAY_SIZE(pids), &count, err);

    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = page_out_process(pids[i], &bytes, err);
    if (rc == 0)
        *ret_bytes = bytes;
    return rc;
}
