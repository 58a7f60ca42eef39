#include "nest/checkpointable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MAPS_MAX (1u << 20)
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

struct mapping {
    uintptr_t start;
    uintptr_t end;
    int prot;
    bool shared;
    bool file;
};

/* Reads at most max - 1 bytes and ends them with NUL. The length, -E2BIG when the file is longer,
 * or a negative errno. */
static ssize_t read_proc(const char *path, char *text, size_t max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;

    size_t len = 0;
    ssize_t n = 0;
    while (len < max && ((n = read(fd, text + len, max - len)) > 0 || (n < 0 && errno == EINTR)))
        len += n > 0 ? (size_t)n : 0;
    int error = n < 0 ? -errno : len == max ? -E2BIG : 0;
    (void)close(fd);
    if (error)
        return error;
    text[len] = '\0';
    return (ssize_t)len;
}

/* A number in hexadecimal or decimal; moves *text behind it. A missing number is 0 and moves
 * nothing. */
static uint64_t scan_number(const char **text, unsigned base)
{
    const char *p = *text;
    uint64_t value = 0;

    for (;; p++) {
        unsigned digit = 16;
        if (*p >= '0' && *p <= '9') {
            digit = (unsigned)(*p - '0');
        } else if (*p >= 'a' && *p <= 'f') {
            digit = (unsigned)(*p - 'a') + 10;
        }
        if (digit >= base)
            break;
        value = value * base + digit;
    }
    *text = p;
    return value;
}

/* "start-end rwxp offset major:minor inode path"; moves *text to the next line. */
static bool scan_mapping(const char **text, struct mapping *map)
{
    const char *p = *text;

    map->start = (uintptr_t)scan_number(&p, 16);
    if (*p++ != '-')
        return false;
    map->end = (uintptr_t)scan_number(&p, 16);
    if (*p++ != ' ' || map->end <= map->start || strnlen(p, 5) < 5)
        return false;
    map->prot = (p[0] == 'r' ? PROT_READ : 0) | (p[1] == 'w' ? PROT_WRITE : 0) |
                (p[2] == 'x' ? PROT_EXEC : 0);
    map->shared = p[3] == 's';
    p += 5;
    (void)scan_number(&p, 16);
    if (*p++ != ' ')
        return false;
    (void)scan_number(&p, 16);
    if (*p++ != ':')
        return false;
    (void)scan_number(&p, 16);
    if (*p++ != ' ')
        return false;
    map->file = scan_number(&p, 10) != 0;
    p = strchr(p, '\n');
    if (!p)
        return false;
    *text = p + 1;
    return true;
}

/*
 * The copy may hold this program's own code and writable data: between memcpy() and mremap()
 * nothing may write to memory other than the stack and thread-local errno, neither of which is a
 * file mapping.
 */
static int replace(const struct mapping *map)
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

int wr_make_mappings_private(void)
{
    /* Own pages for the text: it may lie neither in a mapping that is replaced nor on the small
     * stack of a fork. */
    char *text = mmap(NULL, MAPS_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (text == MAP_FAILED)
        return -errno;

    ssize_t len = read_proc("/proc/self/maps", text, MAPS_MAX);
    int error = len < 0 ? (int)len : 0;
    for (const char *p = text; !error && *p;) {
        struct mapping map;
        if (!scan_mapping(&p, &map)) {
            error = -EBADMSG;
        } else if (map.file && (!map.shared || !(map.prot & PROT_WRITE))) {
            error = replace(&map);
        }
    }
    (void)munmap(text, MAPS_MAX);
    return error;
}

int wr_set_exe_link(int exe_fd)
{
    char text[STAT_MAX];
    uint64_t field[STAT_FIELDS + 1] = {0};

    ssize_t len = read_proc("/proc/self/stat", text, sizeof(text));
    if (len < 0)
        return (int)len;
    /* The second field is the name in parentheses and may itself hold blanks and parentheses. */
    const char *p = strrchr(text, ')');
    if (!p || exe_fd < 0)
        return p ? -EBADF : -EBADMSG;
    for (unsigned i = 3; i <= STAT_FIELDS; i++) {
        p = strchr(p, ' ');
        if (!p)
            return -EBADMSG;
        p++;
        field[i] = scan_number(&p, 10);
    }

    struct prctl_mm_map map = {
        .start_code = field[STAT_START_CODE],
        .end_code = field[STAT_END_CODE],
        .start_data = field[STAT_START_DATA],
        .end_data = field[STAT_END_DATA],
        .start_brk = field[STAT_START_BRK],
        .brk = (uintptr_t)sbrk(0),
        .start_stack = field[STAT_START_STACK],
        .arg_start = field[STAT_ARG_START],
        .arg_end = field[STAT_ARG_END],
        .env_start = field[STAT_ENV_START],
        .env_end = field[STAT_ENV_END],
        /* No auxv: the kernel keeps the one it has. */
        .exe_fd = (uint32_t)exe_fd,
    };
    /* PR_SET_MM_EXE_FILE would change the link alone, but needs CAP_SYS_RESOURCE in the initial
     * user namespace. */
    if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0)
        return -errno;
    return 0;
}
