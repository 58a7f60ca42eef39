#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "nest/zygote/layout.h"
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
    CHECK_INT(count_mappings("rw-"), 0);

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

TEST(memory_that_was_written_keeps_its_content)
{
    const size_t size = (size_t)8 << 20;
    unsigned char *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(memory != MAP_FAILED);
    for (size_t i = 0; i < size; i += PAGE)
        memory[i] = (unsigned char)(i / PAGE);
    CHECK_INT(wr_zygote_layout_apply(), 0);
    for (size_t i = 0; i < size; i += PAGE)
        CHECK_INT(memory[i], (unsigned char)(i / PAGE));
}
