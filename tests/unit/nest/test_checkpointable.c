#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nest/checkpointable.h"
#include "test.h"

/* One page of each kind that a program has: code (this file), read-only data, written data, data
 * never touched. */
static const char constant_text[] = "a constant";
static volatile int written = 7;
static volatile int untouched_bss[4096];

static __attribute__((noinline)) int triple(int value)
{
    return value * 3;
}

static int (*volatile triple_pointer)(int) = triple;

/* Mappings of /proc/self/maps with an inode; shared writable ones count only if asked for. */
static unsigned count_file_mappings(bool shared_writable)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[4200], perms[8];
    unsigned long inode = 0;
    unsigned count = 0;

    CHECK(maps);
    while (fgets(line, sizeof(line), maps)) {
        CHECK_INT(sscanf(line, "%*x-%*x %7s %*x %*x:%*x %lu", perms, &inode), 2);
        if (inode != 0 && (shared_writable || perms[1] != 'w' || perms[3] != 's'))
            count++;
    }
    CHECK_INT(fclose(maps), 0);
    return count;
}

static int temporary_file(const char *content, mode_t mode, char path[static 32])
{
    snprintf(path, 32, "/tmp/checkpointable.XXXXXX");
    int fd = mkostemp(path, O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, content, strlen(content)), strlen(content));
    CHECK_INT(fchmod(fd, mode), 0);
    CHECK_INT(close(fd), 0);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void wait_ok(pid_t pid)
{
    int status = -1;
    CHECK(pid > 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
}

TEST(no_file_mapping_is_left_and_the_program_still_works)
{
    written = 8;
    CHECK(count_file_mappings(true) > 0);
    CHECK_INT(wr_make_mappings_private(), 0);
    CHECK_INT(count_file_mappings(true), 0);

    CHECK_INT(written, 8);
    written = 9;
    CHECK_INT(written, 9);
    untouched_bss[4095] = 1;
    CHECK_INT(untouched_bss[0], 0);
    CHECK_STR(constant_text, "a constant");
    CHECK_INT(triple_pointer(5), 15);

    pid_t pid = fork();
    if (pid == 0)
        _exit(written == 9 && triple_pointer(4) == 12 && count_file_mappings(true) == 0 ? 0 : 1);
    wait_ok(pid);
}

TEST(protections_are_kept)
{
    CHECK_INT(wr_make_mappings_private(), 0);
    pid_t pid = fork();
    if (pid == 0) {
        /* Constants stay read-only: the copy must not have become writable. */
        *(volatile char *)(uintptr_t)constant_text = 'x';
        _exit(0);
    }
    int status = 0;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGSEGV);
}

TEST(a_second_call_finds_nothing_to_do)
{
    CHECK_INT(wr_make_mappings_private(), 0);
    CHECK_INT(wr_make_mappings_private(), 0);
    CHECK_INT(triple_pointer(1), 3);
}

TEST(mappings_of_other_files_are_replaced_and_shared_writable_ones_kept)
{
    char path[32], other_path[32];
    int fd = temporary_file("old", 0600, path);
    int writable = open(path, O_RDWR | O_CLOEXEC);
    int other = temporary_file("hidden", 0600, other_path);

    char *read_only = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writable, 0);
    char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE, other, 0);
    CHECK(read_only != MAP_FAILED && shared != MAP_FAILED && none != MAP_FAILED);

    CHECK_INT(wr_make_mappings_private(), 0);
    CHECK_INT(count_file_mappings(false), 0);
    CHECK_INT(count_file_mappings(true), 1);
    memcpy(shared, "new", 3);
    CHECK(memcmp(read_only, "old", 3) == 0);
    CHECK_INT(mprotect(none, 4096, PROT_READ), 0);
    CHECK(memcmp(none, "hidden", 6) == 0);

    char now[4] = "";
    CHECK_INT(pread(fd, now, 3, 0), 3);
    CHECK_STR(now, "new");
    CHECK_INT(unlink(path), 0);
    CHECK_INT(unlink(other_path), 0);
}

/* Ends the calling process: 0 if the link of /proc/self/exe now is `path`, else the errno of the
 * refusal. */
static void set_link_in_new_userns(int fd, const char *path, bool copied_first)
{
    char link[64] = "";

    if (unshare(CLONE_NEWUSER) < 0)
        _exit(200);
    if (copied_first && wr_make_mappings_private() != 0)
        _exit(201);
    int rc = wr_set_exe_link(fd);
    if (rc != 0)
        _exit(-rc);
    if (readlink("/proc/self/exe", link, sizeof(link) - 1) < 0 || strcmp(link, path) != 0)
        _exit(202);
    _exit(triple_pointer(2) == 6 ? 0 : 203);
}

static int exit_status(pid_t pid)
{
    int status = 0;
    CHECK(pid > 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

TEST(exe_link_changes)
{
    char path[32];
    int fd = temporary_file("#!warren\n", 0755, path);

    pid_t pid = fork();
    if (pid == 0)
        set_link_in_new_userns(fd, path, true);
    CHECK_INT(exit_status(pid), 0);
    CHECK_INT(unlink(path), 0);
}

TEST(exe_link_is_refused_while_the_old_program_is_mapped)
{
    char path[32];
    int fd = temporary_file("#!warren\n", 0755, path);

    pid_t pid = fork();
    if (pid == 0)
        set_link_in_new_userns(fd, path, false);
    CHECK_INT(exit_status(pid), EBUSY);
    CHECK_INT(unlink(path), 0);
}

TEST(exe_link_needs_an_executable_file)
{
    char path[32];
    int fd = temporary_file("#!warren\n", 0644, path);

    pid_t pid = fork();
    if (pid == 0)
        set_link_in_new_userns(fd, path, true);
    CHECK_INT(exit_status(pid), EACCES);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(wr_set_exe_link(-1), -EBADF);
}

TEST(a_name_with_blanks_and_parentheses_is_no_hindrance)
{
    char path[32];
    int fd = temporary_file("#!warren\n", 0755, path);

    pid_t pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_NAME, "a ) 1 (2) b") < 0)
            _exit(204);
        set_link_in_new_userns(fd, path, true);
    }
    CHECK_INT(exit_status(pid), 0);
    CHECK_INT(unlink(path), 0);
}
