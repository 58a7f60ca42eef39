#include "cli/privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/syscall.h"

#define MAX_KEEP 16

/* Read from the file alone: a name service would bring its libraries and sockets into this process.
 */
void wr_privileges_find(const char *user, uid_t fallback_id, uid_t *ret_uid, gid_t *ret_gid)
{
    FILE *file = fopen("/etc/passwd", "re");
    struct passwd *entry;

    *ret_uid = fallback_id;
    *ret_gid = fallback_id;
    while (file && (entry = fgetpwent(file))) {
        if (wr_streq(entry->pw_name, user) && entry->pw_uid != 0 && entry->pw_gid != 0) {
            *ret_uid = entry->pw_uid;
            *ret_gid = entry->pw_gid;
            break;
        }
    }
    if (file)
        fclose(file);
}

static int drop_bounding_set(struct wr_error *err)
{
    for (int cap = 0; cap < 64; cap++) {
        int r = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
        if (r < 0)
            return 0; /* above the last one that the kernel knows */
        if (r == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return wr_fail_errno(err, WR_E_INTERNAL, "drop capability %d", cap);
    }
    return 0;
}

static int clear_capabilities(struct wr_error *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
        syscall(SYS_capset, &header, data) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "clear capabilities");
    return 0;
}

int wr_privileges_drop(const char *user, uid_t fallback_id, struct wr_error *err)
{
    uid_t uid;
    gid_t gid;

    wr_privileges_find(user, fallback_id, &uid, &gid);
    int r = drop_bounding_set(err);
    if (r < 0)
        return r;
    r = wr_set_ids(uid, gid);
    if (r < 0)
        return wr_fail(err, WR_E_INTERNAL, -r, "become user %u", (unsigned)uid);
    r = clear_capabilities(err);
    if (r < 0)
        return r;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
        chdir("/") < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "give up privileges");
    if (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0 || getuid() != uid || getgid() != gid)
        return wr_fail(err, WR_E_INTERNAL, 0, "root could not be given up");
    return 0;
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

int wr_privileges_close_others(const int *keep, size_t count, struct wr_error *err)
{
    int sorted[MAX_KEEP];
    size_t n = 0;
    unsigned next = 3;

    for (size_t i = 0; i < count; i++) {
        if (keep[i] <= 2)
            continue;
        if (n == MAX_KEEP)
            return wr_fail(err, WR_E_INTERNAL, 0, "more than %d descriptors to keep", MAX_KEEP);
        sorted[n++] = keep[i];
    }
    qsort(sorted, n, sizeof sorted[0], compare);
    for (size_t i = 0; i < n; i++) {
        unsigned fd = (unsigned)sorted[i];
        if (fd > next && close_range(next, fd - 1, 0) < 0)
            return wr_fail_errno(err, WR_E_INTERNAL, "close descriptors");
        next = fd + 1;
    }
    if (close_range(next, ~0u, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "close descriptors");
    return 0;
}
