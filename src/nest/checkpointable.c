#include "nest/checkpointable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "nest/mappings.h"

#define STAT_MAX 2048u

/* Fields of /proc/self/stat, counted from 1 as in proc(5). */
enum {
    STAT_START_CODE = 26,
    STAT_END_CODE = 27,
    STAT_START_STACK = 28,
    STAT_START_DATA = 45,
    STAT_END_DATA = 46,
    STAT_START_BRK = 47,
    STAT_ARG_START = 48,
    STAT_ARG_END = 49,
    STAT_ENV_START = 50,
    STAT_ENV_END = 51,
    STAT_FIELDS = 52,
};

/*
 * The copy may hold this program's own code and writable data: between memcpy() and mremap()
 * nothing may write to memory other than the stack and thread-local errno, neither of which is a
 * file mapping.
 */
int wr_mapping_make_private(const struct wr_mapping *map)
{
    void *old =
        (void *)map->start; // NOLINT(performance-no-int-to-ptr): an address out of /proc/self/maps
    size_t len = map->end - map->start;

    void *copy = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED)
        return -errno;
    if ((map->prot & PROT_READ) || mprotect(old, len, map->prot | PROT_READ) == 0) {
        memcpy(copy, old, len);
        if (mprotect(copy, len, map->prot) == 0 &&
            mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, old) == old)
            return 0;
    }
    int error = -errno;
    (void)mprotect(old, len, map->prot);
    (void)munmap(copy, len);
    return error;
}

static int make_private(const struct wr_mapping *map, void *arg)
{
    (void)arg;
    return map->file && (!map->shared || !(map->prot & PROT_WRITE)) ? wr_mapping_make_private(map)
                                                                    : 0;
}

int wr_make_mappings_private(void)
{
    return wr_mappings_walk(make_private, NULL);
}

int wr_exe_link_read(struct prctl_mm_map *ret)
{
    char text[STAT_MAX];
    uint64_t field[STAT_FIELDS + 1] = {0};

    ssize_t len = wr_proc_read("/proc/self/stat", text, sizeof(text));
    if (len < 0)
        return (int)len;
    /* The second field is the name in parentheses and may itself hold blanks and parentheses. */
    const char *p = strrchr(text, ')');
    if (!p)
        return -EBADMSG;
    for (unsigned i = 3; i <= STAT_FIELDS; i++) {
        p = strchr(p, ' ');
        if (!p)
            return -EBADMSG;
        p++;
        field[i] = wr_scan_number(&p, 10);
    }
    *ret = (struct prctl_mm_map){
        .start_code = field[STAT_START_CODE],
        .end_code = field[STAT_END_CODE],
        .start_data = field[STAT_START_DATA],
        .end_data = field[STAT_END_DATA],
        .start_brk = field[STAT_START_BRK],
        .start_stack = field[STAT_START_STACK],
        .arg_start = field[STAT_ARG_START],
        .arg_end = field[STAT_ARG_END],
        .env_start = field[STAT_ENV_START],
        .env_end = field[STAT_ENV_END],
        /* No auxv: the kernel keeps the one it has. */
        .exe_fd = (uint32_t)-1,
    };
    return 0;
}

int wr_exe_link_set(struct prctl_mm_map *map, int exe_fd)
{
    if (exe_fd < 0)
        return -EBADF;
    map->brk = (uintptr_t)sbrk(0);
    map->exe_fd = (uint32_t)exe_fd;
    /* PR_SET_MM_EXE_FILE would change the link alone, but needs CAP_SYS_RESOURCE in the initial
     * user namespace. */
    if (prctl(PR_SET_MM, PR_SET_MM_MAP, map, sizeof(*map), 0) < 0)
        return -errno;
    return 0;
}

int wr_set_exe_link(int exe_fd)
{
    struct prctl_mm_map map;
    int rc = wr_exe_link_read(&map);

    return rc ? rc : wr_exe_link_set(&map, exe_fd);
}
