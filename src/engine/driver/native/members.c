#include "engine/driver/native/members.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/action.h"
#include "engine/driver/native/kit.h"
#include "sys/syscall.h"

#define MAX_LIST_BYTES ((size_t)12 * WR_PIDS_MAX)

int wr_members_list(const struct wr_kit *kit, pid_t *pids, size_t max, size_t *ret_count,
                    struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(MAX_LIST_BYTES);
    size_t count = 0;
    int rc = wr_file_read(wr_cgroup_join(kit->cgroup).v2_dir, "cgroup.procs", &text);
    char *cursor = rc < 0 ? NULL : wr_buf_cstr(&text);

    if (!cursor)
        return wr_fail(err, WR_E_INTERNAL, rc < 0 ? -rc : ENOMEM,
                       "list the processes of sandbox %s", kit->id);
    for (char *line; count < max && (line = strsep(&cursor, "\n"));) {
        const long pid = strtol(line, NULL, 10);
        if (pid > 0)
            pids[count++] = (pid_t)pid;
    }
    *ret_count = count;
    return 0;
}

/* What follows "NSpid:" in /proc/<pid>/status, with its newline: a number for each pid namespace,
 * each after a tab. NULL: it has ended. */
static const char *numbers_of(pid_t pid, struct wr_buf *text)
{
    char path[32];

    if (!wr_strformat(path, sizeof(path), "/proc/%d/status", pid) ||
        wr_file_read(AT_FDCWD, path, text) < 0)
        return NULL;
    const char *status = wr_buf_cstr(text);
    const char *line = status ? strstr(status, "\nNSpid:\t") : NULL;
    return line && strchr(line + 1, '\n') ? line + 7 : NULL;
}

/* The last number is 1, and it is not the only one. */
static bool is_first(pid_t pid)
{
    wr_auto_buf text = WR_BUF(16384);
    const char *numbers = numbers_of(pid, &text);
    const char *end = numbers ? strchr(numbers, '\n') : NULL;

    return end && end - numbers > 2 && end[-1] == '1' && end[-2] == '\t';
}

/* It has one number only. */
static bool is_ours(pid_t pid)
{
    wr_auto_buf text = WR_BUF(16384);
    const char *numbers = numbers_of(pid, &text);

    return numbers && strcspn(numbers + 1, "\t\n") == strcspn(numbers + 1, "\n");
}

int wr_members_first(const struct wr_kit *kit, pid_t *ret, struct wr_error *err)
{
    static pid_t pids[WR_PIDS_MAX];
    size_t count = 0;
    int rc = wr_members_list(kit, pids, WR_ARRAY_SIZE(pids), &count, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        if (is_first(pids[i])) {
            *ret = pids[i];
            return 0;
        }
    return wr_fail(err, WR_E_NOT_FOUND, 0, "sandbox %s has no first process", kit->id);
}

/* While its number is in the list and it has not ended, the number is nobody else's. */
static bool is_member(const struct wr_kit *kit, pid_t pid, int pidfd)
{
    pid_t now = 0;
    struct wr_error err;
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};

    return wr_members_first(kit, &now, &err) == 0 && now == pid && poll(&ended, 1, 0) == 0;
}

int wr_members_open_first(const struct wr_kit *kit, int *ret_pidfd, int *ret_ns_fd,
                          struct wr_error *err)
{
    char path[40];
    pid_t pid = 0;
    int rc = wr_members_first(kit, &pid, err);

    if (rc < 0)
        return rc;
    wr_auto_close int pidfd = wr_pidfd_open(pid);
    if (pidfd < 0)
        return wr_fail(err, WR_E_NOT_FOUND, -pidfd, "open the first process of sandbox %s",
                       kit->id);
    wr_auto_close int ns = wr_strformat(path, sizeof(path), "/proc/%d/ns/net", pid)
                               ? open(path, O_RDONLY | O_CLOEXEC)
                               : -1;
    if (ns < 0 || !is_member(kit, pid, pidfd))
        return wr_fail(err, WR_E_NOT_FOUND, 0, "the first process of sandbox %s has ended",
                       kit->id);
    *ret_pidfd = wr_steal_fd(&pidfd);
    *ret_ns_fd = wr_steal_fd(&ns);
    return 0;
}

int wr_members_expel_ours(const struct wr_kit *kit, struct wr_error *err)
{
    static pid_t pids[WR_PIDS_MAX];
    size_t count = 0;
    int rc = wr_members_list(kit, pids, WR_ARRAY_SIZE(pids), &count, err);

    for (size_t i = 0; rc == 0 && i < count; i++)
        if (is_ours(pids[i]))
            rc = wr_cgroup_expel(kit->cgroup, pids[i], err);
    return rc;
}
