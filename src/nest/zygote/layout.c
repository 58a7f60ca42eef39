#include "nest/zygote/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "nest/checkpointable.h"
#include "nest/mappings.h"
#include "nest/zygote/zygote.h"

#ifndef MADV_COLLAPSE /* Linux 6.1 */
#    define MADV_COLLAPSE 25
#endif
#define HUGE ((uintptr_t)2 << 20)
#define PAGE ((uintptr_t)4096) /* the least that there is; x86-64 has no other */

#define MAX_ARENAS 4096

/* Of Python's own allocator, as it got them: nothing else tells them from memory of others. */
static struct {
    struct wr_arena_allocator own; /* Python's */
    struct {
        uintptr_t start;
        size_t len;
    } list[MAX_ARENAS];
    size_t count;
} arenas;

static void *arena_alloc(void *context, size_t size)
{
    void *arena = arenas.own.alloc(context, size);

    if (arena && arenas.count < MAX_ARENAS) {
        arenas.list[arenas.count].start = (uintptr_t)arena;
        arenas.list[arenas.count++].len = size;
    }
    return arena;
}

static void arena_free(void *context, void *arena, size_t size)
{
    for (size_t i = 0; i < arenas.count; i++)
        if (arenas.list[i].start == (uintptr_t)arena) {
            arenas.list[i] = arenas.list[--arenas.count];
            break;
        }
    arenas.own.free(context, arena, size);
}

void wr_zygote_watch_arenas(struct wr_arena_allocator *allocator)
{
    arenas.own = *allocator;
    allocator->alloc = arena_alloc;
    allocator->free = arena_free;
}

struct store {
    int fd;
    off_t used;
    uintptr_t heap_start, heap_end; /* brk() */
    int (*move)(const struct wr_mapping *part, struct store *store);
};

static void *address(uintptr_t value)
{
    return (void *)value; // NOLINT(performance-no-int-to-ptr): out of /proc/self/maps
}

static int copy_part(const struct wr_mapping *part, struct store *store)
{
    const size_t len = part->end - part->start;

    for (size_t done = 0; done < len;) {
        ssize_t n = write(store->fd, address(part->start + done), len - done);
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

/* The same bytes at the same address in one step: this may be the code that runs. */
static int map_part(const struct wr_mapping *part, struct store *store)
{
    const size_t len = part->end - part->start;

    if (mmap(address(part->start), len, part->prot, MAP_PRIVATE | MAP_FIXED, store->fd,
             store->used) == MAP_FAILED)
        return -errno;
    store->used += (off_t)len;
    return 0;
}

static int move_arenas(const struct wr_mapping *map, struct store *store)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < arenas.count; i++) {
        struct wr_mapping part = *map;
        part.start = arenas.list[i].start;
        part.end = part.start + arenas.list[i].len;
        if (part.start >= map->start && part.end <= map->end)
            rc = store->move(&part, store);
    }
    return rc;
}

/*
 * What nobody will ask the kernel to empty: memory of a file comes back as it is there, where
 * anonymous memory would be zeros (MADV_DONTNEED), and has something behind it when it grows
 * (mremap). So of anonymous memory only the heap and Python's arenas move, whose allocators rely on
 * neither; other allocators have theirs in mappings of their own.
 */
static int move_mapping(const struct wr_mapping *map, void *arg)
{
    struct store *store = arg;
    const bool writable = map->prot & PROT_WRITE;

    if (!(map->prot & PROT_READ) || (map->shared && writable))
        return 0;
    if (map->file || (map->start >= store->heap_start && map->end <= store->heap_end))
        return map->file || writable ? store->move(map, store) : 0;
    return writable ? move_arenas(map, store) : 0;
}

/* What is left has no file either. It cannot be read, so it never is looked at. */
static int make_anonymous(const struct wr_mapping *map, void *arg)
{
    (void)arg;
    return map->file && !map->shared && !(map->prot & PROT_READ) ? wr_mapping_make_private(map) : 0;
}

/*
 * It belongs to the nest's id, which no sandbox has: by that the engine knows it from files that
 * sandboxes made and gave each other (docs/internals/snapshot.md, "Shared memory").
 */
static int make_store(void)
{
    const long own = syscall(SYS_setfsuid, 0);
    int fd = (int)syscall(SYS_memfd_create, "python", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || fchmod(fd, 0555) < 0) {
        const int cause = errno;
        (void)wr_close(fd);
        fd = -cause;
    }
    (void)syscall(SYS_setfsuid, own);
    return fd;
}

/* Where brk() has its memory, in whole pages. */
static int find_heap(struct store *store)
{
    struct prctl_mm_map layout;
    const int rc = wr_exe_link_read(&layout);

    store->heap_start = (uintptr_t)layout.start_brk & ~(uintptr_t)(PAGE - 1);
    store->heap_end = ((uintptr_t)sbrk(0) + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    return rc;
}

/* Sealed, so that whatever way one fork finds to the file, no other sees a change. */
static int move_all(void)
{
    struct store store = {.fd = make_store(), .move = copy_part};

    if (store.fd < 0)
        return store.fd;
    int rc = find_heap(&store);
    if (rc == 0)
        rc = wr_mappings_walk(move_mapping, &store);
    if (rc == 0 &&
        fcntl(store.fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        rc = -errno;
    store.move = map_part;
    if (rc == 0)
        rc = wr_mappings_walk(move_mapping, &store);
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
    int rc = move_all();

    if (rc == 0)
        rc = wr_mappings_walk(make_anonymous, NULL);
    return rc ? rc : wr_mappings_walk(collapse, NULL);
}
