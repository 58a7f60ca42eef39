#include "nest/mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAPS_MAX (1u << 20)

ssize_t wr_proc_read(const char *path, char *text, size_t max)
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

uint64_t wr_scan_number(const char **text, unsigned base)
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
static bool scan_mapping(const char **text, struct wr_mapping *map)
{
    const char *p = *text;

    map->start = (uintptr_t)wr_scan_number(&p, 16);
    if (*p++ != '-')
        return false;
    map->end = (uintptr_t)wr_scan_number(&p, 16);
    if (*p++ != ' ' || map->end <= map->start || strnlen(p, 5) < 5)
        return false;
    map->prot = (p[0] == 'r' ? PROT_READ : 0) | (p[1] == 'w' ? PROT_WRITE : 0) |
                (p[2] == 'x' ? PROT_EXEC : 0);
    map->shared = p[3] == 's';
    p += 5;
    (void)wr_scan_number(&p, 16);
    if (*p++ != ' ')
        return false;
    (void)wr_scan_number(&p, 16);
    if (*p++ != ':')
        return false;
    (void)wr_scan_number(&p, 16);
    if (*p++ != ' ')
        return false;
    map->file = wr_scan_number(&p, 10) != 0;
    p = strchr(p, '\n');
    if (!p)
        return false;
    *text = p + 1;
    return true;
}

int wr_mappings_walk(int (*visit)(const struct wr_mapping *map, void *arg), void *arg)
{
    /* Own pages for the text: it may lie neither in a mapping that is replaced nor on the small
     * stack of a fork. */
    char *text = mmap(NULL, MAPS_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (text == MAP_FAILED)
        return -errno;

    ssize_t len = wr_proc_read("/proc/self/maps", text, MAPS_MAX);
    int rc = len < 0 ? (int)len : 0;
    for (const char *p = text; rc == 0 && *p;) {
        struct wr_mapping map;
        rc = scan_mapping(&p, &map) ? visit(&map, arg) : -EBADMSG;
    }
    (void)munmap(text, MAPS_MAX);
    return rc;
}
