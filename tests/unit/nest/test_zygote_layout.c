#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nest/zygote/layout.h"
#include "nest/zygote/zygote.h"
#include "test.h"

#define PAGE 4096

static const char constant_text[PAGE] __attribute__((aligned(PAGE))) = "a constant";
static volatile int written = 7;

static __attribute__((noinline)) int triple(int value)
{
    return value * 3;
}

static int (*volatile triple_pointer)(int) = triple;

/* Lines of /proc/self/maps with `part`, of mappings that have an inode. */
static unsigned count_mappings(const char *part)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[4200];
    unsigned long inode = 0;
    unsigned count = 0;

    CHECK(maps);
    while (fgets(line, sizeof(line), maps)) {
        CHECK_INT(sscanf(line, "%*x-%*x %*s %*x %*x:%*x %lu", &inode), 1);
        if (inode != 0 && strstr(line, part))
            count++;
    }
    CHECK_INT(fclose(maps), 0);
    return count;
}

static void wait_ok(pid_t pid)
{
    int status = -1;

    CHECK(pid > 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
}

static int mapped_file(const char *content, int prot, int flags, const char **ret)
{
    char path[] = "/tmp/layout.XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);

    CHECK(fd >= 0);
    CHECK_INT(write(fd, content, strlen(content)), strlen(content));
    CHECK_INT(unlink(path), 0);
    *ret = mmap(NULL, PAGE, prot, flags, fd, 0);
    CHECK(*ret != MAP_FAILED);
    return fd;
}

TEST(only_the_sealed_file_is_left_and_the_program_still_works)
{
    const char *shared;

    (void)mapped_file("shared", PROT_READ, MAP_SHARED, &shared);
    written = 8;
    CHECK(count_mappings("r-xp") > 0);
    CHECK_INT(wr_zygote_layout_apply(), 0);
    CHECK(count_mappings("memfd:python") > 0);
    CHECK_INT(count_mappings(""), count_mappings("memfd:python"));
    CHECK(count_mappings("rw-p") > 0);
    CHECK_INT(count_mappings("rw-s"), 0);

    CHECK_INT(written, 8);
    written = 9;
    CHECK_INT(triple_pointer(5), 15);
    CHECK_STR(constant_text, "a constant");
    CHECK_STR(shared, "shared");
    pid_t pid = fork();
    if (pid == 0)
        _exit(written == 9 && triple_pointer(4) == 12 ? 0 : 1);
    wait_ok(pid);
}

/* What one fork does to read-only memory is seen by no other and not by the parent. */
TEST(a_page_that_is_made_writable_is_a_copy)
{
    volatile char *text = (volatile char *)(uintptr_t)constant_text;

    CHECK_INT(wr_zygote_layout_apply(), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (mprotect((void *)(uintptr_t)text, PAGE, PROT_READ | PROT_WRITE) != 0)
            _exit(1);
        text[0] = 'X';
        _exit(text[0] == 'X' ? 0 : 2);
    }
    wait_ok(pid);
    CHECK_INT(text[0], 'a');
}

/* By another way than its own mapping: the file behind it. */
TEST(the_file_cannot_be_changed)
{
    char line[4200], path[64];
    unsigned long start = 0, end = 0;

    CHECK_INT(wr_zygote_layout_apply(), 0);
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps);
    while (fgets(line, sizeof(line), maps) && !strstr(line, "memfd:python"))
        continue;
    CHECK_INT(sscanf(line, "%lx-%lx", &start, &end), 2);
    CHECK_INT(fclose(maps), 0);
    snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", start, end);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) { /* as without root: nothing to seal against */
        CHECK(errno == EPERM || errno == EACCES);
        return;
    }
    CHECK_INT(pwrite(fd, "x", 1, 0), -1);
    CHECK_INT(errno, EPERM);
    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    CHECK_INT(ftruncate(fd, 0), -1);
    CHECK_INT(errno, EPERM);
}

/* Is what is at this address the file's? */
static bool is_in_file(const void *where)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[4200];
    unsigned long start = 0, end = 0;
    bool found = false;

    CHECK(maps);
    while (!found && fgets(line, sizeof(line), maps))
        found = sscanf(line, "%lx-%lx", &start, &end) == 2 && (uintptr_t)where >= start &&
                (uintptr_t)where < end && strstr(line, "memfd:python");
    CHECK_INT(fclose(maps), 0);
    return found;
}

static void fill(unsigned char *memory, size_t size)
{
    CHECK(memory && memory != MAP_FAILED);
    for (size_t i = 0; i < size; i += PAGE)
        memory[i] = (unsigned char)(i / PAGE + 1);
}

static bool is_filled(const unsigned char *memory, size_t size)
{
    for (size_t i = 0; i < size; i += PAGE)
        if (memory[i] != (unsigned char)(i / PAGE + 1))
            return false;
    return true;
}

static unsigned char *map_anonymous(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void *arena_alloc(void *context, size_t size)
{
    (void)context;
    return map_anonymous(size);
}

static void arena_free(void *context, void *arena, size_t size)
{
    (void)context;
    CHECK_INT(munmap(arena, size), 0);
}

#define ARENA ((size_t)1 << 20)

/* A library's allocator that gives memory back and takes it for zeros when it uses it again. */
TEST(memory_of_other_allocators_stays_what_it_was)
{
    const size_t size = (size_t)8 << 20;
    unsigned char *memory = map_anonymous(size);

    fill(memory, size);
    CHECK_INT(wr_zygote_layout_apply(), 0);
    CHECK(is_filled(memory, size) && !is_in_file(memory));
    CHECK_INT(madvise(memory, size, MADV_DONTNEED), 0);
    CHECK_INT(memory[0], 0);
    memory = mremap(memory, size, 2 * size, MREMAP_MAYMOVE);
    CHECK(memory != MAP_FAILED);
    CHECK_INT(memory[2 * size - 1], 0);
}

TEST(arenas_move_into_the_file)
{
    struct wr_arena_allocator allocator = {NULL, arena_alloc, arena_free};

    wr_zygote_watch_arenas(&allocator);
    unsigned char *before = map_anonymous(ARENA);
    unsigned char *gone = allocator.alloc(allocator.context, ARENA);
    unsigned char *arena = allocator.alloc(allocator.context, ARENA);
    allocator.free(allocator.context, gone, ARENA);
    unsigned char *other =
        mmap(gone, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    fill(before, ARENA);
    fill(arena, ARENA);
    fill(other, ARENA);
    CHECK_INT(wr_zygote_layout_apply(), 0);
    CHECK(is_in_file(arena) && is_in_file(arena + ARENA - 1) && is_filled(arena, ARENA));
    CHECK(!is_in_file(before) && is_filled(before, ARENA));
    CHECK(!is_in_file(other) && is_filled(other, ARENA));
    arena[5] = 9;
    pid_t pid = fork();
    if (pid == 0) {
        arena[5] = 10;
        arena_free(NULL, arena, ARENA);
        _exit(0);
    }
    wait_ok(pid);
    CHECK_INT(arena[5], 9);
}

TEST(the_heap_moves_into_the_file_and_goes_on)
{
    enum { COUNT = 64, SIZE = 64 * 1024 };
    unsigned char *parts[COUNT];

    for (size_t i = 0; i < COUNT; i++)
        fill(parts[i] = malloc(SIZE), SIZE);
    CHECK_INT(wr_zygote_layout_apply(), 0);
    for (size_t i = 0; i < COUNT; i++)
        CHECK(is_filled(parts[i], SIZE));
#ifndef __SANITIZE_ADDRESS__ /* which has a heap of its own elsewhere */
    CHECK(is_in_file(parts[0]));
#endif
    const void *end = sbrk(0);
    CHECK(sbrk((intptr_t)ARENA) == end);
    fill((unsigned char *)(uintptr_t)end, ARENA);
    CHECK(sbrk(-(intptr_t)ARENA) == (char *)(uintptr_t)end + ARENA);
    for (size_t i = 1; i < COUNT; i += 2)
        free(parts[i]);
    (void)malloc_trim(0);
    for (size_t i = 1; i < COUNT; i += 2) {
        parts[i] = calloc(1, SIZE);
        for (size_t at = 0; at < SIZE; at++)
            CHECK_INT(parts[i][at], 0);
    }
    for (size_t i = 0; i < COUNT; i += 2)
        CHECK(is_filled(parts[i], SIZE));
}
