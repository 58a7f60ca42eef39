#include "primitives/sessions/owner.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/str.h"

#define BOOT_LEN      36
#define START_FIELD   22 /* of /proc/<pid>/stat, counted from 1 */
#define COMMAND_FIELD 2

/* Ticks since boot; false when no such process runs. */
static bool read_start(uint64_t pid, char *ret, size_t cap)
{
    char path[64], line[1024];

    if (!wr_strformat(path, sizeof path, "/proc/%llu/stat", (unsigned long long)pid) ||
        wr_file_read_line(AT_FDCWD, path, line, sizeof line) < 0)
        return false;
    /* The command may have spaces and brackets of its own. */
    char *at = strrchr(line, ')');
    if (at && (wr_starts_with(at, ") Z") || wr_starts_with(at, ") X")))
        return false; /* dead, and only its parent does not know yet */
    for (int field = COMMAND_FIELD; at && field < START_FIELD; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return false;
    at[1 + strcspn(at + 1, " ")] = '\0';
    return wr_strcopy(ret, cap, at + 1);
}

/* "<boot>:<namespace>:", the part that a process shares with those that can see it. */
static bool read_place(char *ret, size_t cap)
{
    char boot[BOOT_LEN + 1];
    struct stat st;

    return wr_file_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot, sizeof boot) > 0 &&
           stat("/proc/self/ns/pid", &st) == 0 &&
           wr_strformat(ret, cap, "%s:%llu:", boot, (unsigned long long)st.st_ino);
}

void wr_owner_self(char ret[static WR_OWNER_MAX])
{
    char place[WR_OWNER_MAX / 2], start[24];

    if (!read_place(place, sizeof place) || !read_start((uint64_t)getpid(), start, sizeof start) ||
        !wr_strformat(ret, WR_OWNER_MAX, "%s%lld:%s", place, (long long)getpid(), start))
        ret[0] = '\0';
}

enum wr_owner_state wr_owner_look(const char *owner)
{
    char place[WR_OWNER_MAX / 2], start[24], pid_text[24];
    uint64_t pid = 0;

    if (!read_place(place, sizeof place) || !wr_starts_with(owner, place))
        return WR_OWNER_UNKNOWN;
    const char *pid_at = owner + strlen(place), *colon = strchr(pid_at, ':');
    size_t len = colon ? (size_t)(colon - pid_at) : 0;
    if (len == 0 || len >= sizeof pid_text)
        return WR_OWNER_UNKNOWN;
    memcpy(pid_text, pid_at, len);
    pid_text[len] = '\0';
    if (wr_parse_u64(pid_text, 1, INT32_MAX, &pid) < 0)
        return WR_OWNER_UNKNOWN;
    if (!read_start(pid, start, sizeof start))
        return WR_OWNER_GONE;
    return wr_streq(start, colon + 1) ? WR_OWNER_ALIVE : WR_OWNER_GONE;
}
