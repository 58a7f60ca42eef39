#include "nest/zygote/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "nest/checkpointable.h"
#include "nest/mappings.h"

#ifndef MADV_COLLAPSE /* Linux 6.1 */
#    define MADV_COLLAPSE 25
#endif
#define HUGE ((uintptr_t)2 << 20)

struct store {
    int fd;
    off_t used;
};

static bool is_constant(const struct wr_mapping *map)
{
    return map->file && !(map->prot & PROT_WRITE) && (map->prot & PROT_READ);
}

static void *address(uintptr_t value)
{
    return (void *)value; // NOLINT(performance-no-int-to-ptr): out of /proc/self/maps
}

static int copy_constant(const struct wr_mapping *map, void *arg)
{
    struct store *store = arg;
    size_t len = map->end - map->start;

    if (!is_constant(map))
        return 0;
    for (size_t done = 0; done < len;) {
        ssize_t n = write(store->fd, address(map->start + done), len - done);
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

/* The same bytes at the same address in one step: this may be the code that runs. */
static int map_constant(const struct wr_mapping *map, void *arg)
{
    struct store *store = arg;
    size_t len = map->end - map->start;

    if (!is_constant(map))
        return 0;
    if (mmap(address(map->start), len, map->prot, MAP_PRIVATE | MAP_FIXED, store->fd,
             store->used) == MAP_FAILED)
        return -errno;
    store->used += (off_t)len;
    return 0;
}

/* What is written to, and what cannot be read and is therefore never looked at. */
static int make_anonymous(const struct wr_mapping *map, void *arg)
{
    (void)arg;
    return map->file && !map->shared && !is_constant(map) ? wr_mapping_make_private(map) : 0;
}

/* Sealed, so that whatever way one fork finds to the file, no other sees a change. */
static int move_constants(void)
{
    struct store store = {
        .fd = (int)syscall(SYS_memfd_create, "python", MFD_CLOEXEC | MFD_ALLOW_SEALING)};

    if (store.fd < 0)
        return -errno;
    int rc = wr_mappings_walk(copy_constant, &store);
    if (rc == 0 && fchmod(store.fd, 0555) < 0)
        rc = -errno;
    if (rc == 0 &&
        fcntl(store.fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        rc = -errno;
    if (rc == 0)
        rc = wr_mappings_walk(map_constant, &store);
    (void)wr_close(store.fd);
    return rc;
}

/* A fork copies one entry for 2 MiB instead of 512. Advice: a kernel may be without huge pages. */
static int collapse(const struct wr_mapping *map, void *arg)
{
    uintptr_t start = (map->start + HUGE - 1) & ~(HUGE - 1), end = map->end & ~(HUGE - 1);

    (void)arg;
    if (!map->file && !map->shared && (map->prot & PROT_WRITE) && end > start)
        (void)madvise(address(start), end - start, MADV_COLLAPSE);
    return 0;
}

int wr_zygote_layout_apply(void)
{
    int rc = move_constants();

    if (rc == 0)
        rc = wr_mappings_walk(make_anonymous, NULL);
    return rc ? rc : wr_mappings_walk(collapse, NULL);
}
