#include "engine/driver/native/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "engine/action.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/kit.h"
#include "engine/driver/native/members.h"
#include "engine/driver/native/native.h"
#include "log/log.h"
#include "nest/protocol.h"

#define COLLECT_MS 1000

/* As it is in /proc/<pid>/maps (nest/zygote/layout.c). Whether it is one is looked at later. */
#define ZYGOTE_FILE " /memfd:python (deleted)\n"
#define SEALS       (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

#define MAX_INODES 256
/* A sandbox may have more mappings than anybody wants to read; what is found by then is used. */
#define MAX_LINES  ((size_t)2 * 1000 * 1000)

struct scan {
    struct wr_driver *driver;
    const struct wr_kit *kit;
    const char *id;
    ino_t ours[MAX_INODES]; /* in the store */
    size_t our_count;
    ino_t seen[MAX_INODES];
    size_t seen_count;
    size_t lines;
    struct wr_memory_files *found;
};

/* One line of /proc/<pid>/maps. */
struct mapping {
    unsigned long start, end, ino;
    char prot[5];
    bool is_zygote_file;
};

static bool read_line(const char *line, struct mapping *ret)
{
    *ret = (struct mapping){.is_zygote_file = wr_ends_with(line, ZYGOTE_FILE)};
    return sscanf(line, "%lx-%lx %4s %*x %*x:%*x %lu", &ret->start, &ret->end, ret->prot,
                  &ret->ino) == 4;
}

static bool contains(const ino_t *list, size_t count, ino_t ino)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == ino)
            return true;
    return false;
}

/*
 * Of an id that nests and zygotes can have, and no sandbox: it is not something that this sandbox
 * made, or got from another one through a volume. Sealed: its content stays.
 */
static bool is_zygote_memory(int fd, const struct stat *st)
{
    const int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & SEALS) == SEALS && st->st_uid == wr_slot_host_base(0);
}

/* Of a restored sandbox. */
static bool is_in_store(const struct scan *scan, const struct stat *st)
{
    struct stat store;

    return st->st_uid == 0 && fstat(wr_memory_fd(scan->driver->memory), &store) == 0 &&
           st->st_dev == store.st_dev && contains(scan->ours, scan->our_count, st->st_ino);
}

/* What CRIU calls it: the mount that it was opened on, and the inode. */
static bool read_key(int fd, const struct stat *st, struct wr_memory_file *ret)
{
    wr_auto_buf text = WR_BUF(4096);
    char path[40];
    unsigned mount = 0;

    if (!wr_strformat(path, sizeof(path), "/proc/self/fdinfo/%d", fd) ||
        wr_file_read(AT_FDCWD, path, &text) < 0)
        return false;
    const char *info = wr_buf_cstr(&text);
    const char *line = info ? strstr(info, "mnt_id:") : NULL;
    return line && sscanf(line, "mnt_id: %u", &mount) == 1 &&
           wr_strformat(ret->key, sizeof(ret->key), "file[%x:%llx]", mount,
                        (unsigned long long)st->st_ino);
}

static void look(struct scan *scan, pid_t pid, const struct mapping *m)
{
    struct wr_memory_file file = {.size_bytes = 0};
    struct wr_error err;
    struct stat st;
    char path[80];

    if (!wr_strformat(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", pid, m->start, m->end))
        return;
    wr_auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != m->ino)
        return;
    if ((!is_in_store(scan, &st) && !(m->is_zygote_file && is_zygote_memory(fd, &st))) ||
        !read_key(fd, &st, &file))
        return;
    if (wr_memory_keep(scan->driver->memory, fd, scan->id, &file, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, "sandbox", scan->kit->id, NULL);
    else
        scan->found->list[scan->found->count++] = file;
}

static void scan_process(struct scan *scan, pid_t pid)
{
    char path[32];
    char *line = NULL;
    size_t capacity = 0;
    struct mapping m;
    FILE *maps = wr_strformat(path, sizeof(path), "/proc/%d/maps", pid) ? fopen(path, "re") : NULL;

    while (maps && scan->found->count < WR_MEMORY_MAX_FILES && scan->lines++ < MAX_LINES &&
           getline(&line, &capacity, maps) > 0) {
        if (!read_line(line, &m) || m.ino == 0 || m.prot[3] != 'p' ||
            !(m.is_zygote_file || contains(scan->ours, scan->our_count, m.ino)) ||
            contains(scan->seen, scan->seen_count, m.ino))
            continue;
        if (scan->seen_count < MAX_INODES)
            scan->seen[scan->seen_count++] = m.ino;
        look(scan, pid, &m);
    }
    free(line);
    if (maps)
        (void)fclose(maps);
}

void wr_shared_memory_keep(struct wr_driver *driver, const struct wr_kit *kit, const char *id,
                           struct wr_memory_files *ret)
{
    static pid_t pids[WR_PIDS_MAX];
    struct scan scan = {.driver = driver, .kit = kit, .id = id, .found = ret};
    struct wr_error err;
    size_t count = 0;

    *ret = (struct wr_memory_files){.count = 0};
    scan.our_count = wr_memory_inodes(driver->memory, scan.ours, MAX_INODES);
    if (wr_members_list(kit, pids, WR_ARRAY_SIZE(pids), &count, &err) < 0)
        return;
    for (size_t i = 0; i < count; i++)
        scan_process(&scan, pids[i]);
}

/* ---- Collecting ---- */

static bool is_there(int volume_fd, const char *prefix, const char *id)
{
    char path[64];

    return !wr_strformat(path, sizeof(path), "%s%s", prefix, id) ||
           faccessat(volume_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* In this order: one that is being made becomes one that is there. */
static bool in_use(const char *id, void *data)
{
    struct wr_driver *driver = data;
    const int volume_fd = wr_volume_fd(driver->volume);

    wr_list_foreach(it, &driver->instances) {
        if (wr_streq(wr_list_entry(it, struct wr_instance, link)->kit->id, id))
            return true;
    }
    return is_there(volume_fd, "snapshots/.new-", id) || is_there(volume_fd, "snapshots/", id) ||
           is_there(volume_fd, "sandboxes/", id);
}

static void on_collect(struct wr_timer *timer, void *data)
{
    (void)timer;
    wr_shared_memory_collect(data);
}

void wr_shared_memory_collect(struct wr_driver *driver)
{
    wr_timer_stop(&driver->memory_collect);
    if (!wr_memory_collect(driver->memory, in_use, driver))
        wr_shared_memory_collect_soon(driver);
}

void wr_shared_memory_collect_soon(struct wr_driver *driver)
{
    struct wr_error err;

    if (!driver->memory_collect.loop && wr_timer_start(driver->loop, &driver->memory_collect,
                                                       COLLECT_MS, on_collect, driver, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, NULL);
}
