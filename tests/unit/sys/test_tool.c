#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sys/tool.h"
#include "test.h"

static const char *const env[] = {"PATH=/usr/bin:/bin", "GREETING=hi", NULL};

struct seen {
    char text[65536];
    size_t lines;
};

static void collect(const char *line, void *data)
{
    struct seen *s = data;
    size_t len = strlen(s->text);
    snprintf(s->text + len, sizeof(s->text) - len, "[%s]", line);
    s->lines++;
}

static int run(const char *const *argv, struct seen *seen, int *status)
{
    struct wr_tool tool = {
        .argv = argv, .env = env, .cancel_fd = -1, .line = collect, .data = seen};
    return wr_tool_run(&tool, status);
}

/* The program writes its pid and that of a background process as one line: "pids 12 13". */
static const char *const sleepers[] = {"sh", "-c", "sleep 1000 & echo pids $$ $!; wait", NULL};
static int pids[2];

static bool gone(int pid)
{
    for (int i = 0; i < 500; i++) {
        char path[64], state = 'Z';
        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        FILE *f = fopen(path, "re");
        if (!f)
            return true;
        int n = fscanf(f, "%*d %*s %c", &state);
        fclose(f);
        if (n != 1 || state == 'Z')
            return true;
        usleep(10000);
    }
    return false;
}

static void report_pids(const char *line, void *data)
{
    if (sscanf(line, "pids %d %d", &pids[0], &pids[1]) == 2)
        (void)!write(*(int *)data, pids, sizeof(pids));
}

static void cancel_after_pids(const char *line, void *data)
{
    if (sscanf(line, "pids %d %d", &pids[0], &pids[1]) == 2)
        CHECK(write(*(int *)data, "x", 1) == 1);
}

TEST(lines_status_and_environment)
{
    static const char *const argv[] = {
        "sh", "-c", "echo $GREETING; echo err >&2; printf 'a\\rb\\033c'; env | wc -l; exit 3",
        NULL};
    static struct seen seen;
    int status = -1;
    CHECK_INT(run(argv, &seen, &status), 0);
    CHECK_INT(status, 3);
    CHECK(strstr(seen.text, "[hi]"));
    CHECK(strstr(seen.text, "[err]"));
    CHECK(strstr(seen.text, "[a][b c"));
}

TEST(long_lines_arrive_in_pieces)
{
    static const char *const argv[] = {"sh", "-c", "head -c 9000 /dev/zero | tr '\\0' x", NULL};
    static struct seen seen;
    int status = -1;
    CHECK_INT(run(argv, &seen, &status), 0);
    CHECK_INT(seen.lines, 3);
    CHECK_INT(strlen(seen.text), 9000 + 2 * 3);
}

TEST(missing_program_is_named)
{
    static const char *const argv[] = {"no-such-program-here", NULL};
    static struct seen seen;
    int status = -1;
    CHECK_INT(run(argv, &seen, &status), -ENOENT);
    CHECK_INT(status, -1);
}

TEST(program_that_is_not_executable)
{
    static const char *const argv[] = {"/etc/passwd", NULL};
    static struct seen seen;
    int status = -1;
    CHECK_INT(run(argv, &seen, &status), -EACCES);
    CHECK_INT(status, -1);
}

TEST(timeout_ends_the_whole_group)
{
    int status = -1, fds[2];
    CHECK(pipe2(fds, O_CLOEXEC) == 0);
    struct wr_tool tool = {.argv = sleepers,
                           .env = env,
                           .cancel_fd = -1,
                           .timeout_ms = 1000,
                           .line = report_pids,
                           .data = &fds[1]};
    uint64_t start_ms = wr_mono_ms();
    CHECK_INT(wr_tool_run(&tool, &status), -ETIMEDOUT);
    CHECK(wr_mono_ms() - start_ms >= 1000 && wr_mono_ms() - start_ms < 20000);
    CHECK_INT(status, -1);
    CHECK(gone(pids[0]));
    CHECK(gone(pids[1]));
}

/* Neither what the caller blocks and ignores, nor its descriptors, reach the program. */
TEST(starts_clean)
{
    static const char *const argv[] = {
        "sh", "-c", "grep -E 'SigBlk|SigIgn' /proc/self/status; ls -l /proc/self/fd | wc -l", NULL};
    static struct seen seen;
    int status = -1;
    sigset_t set;
    sigfillset(&set);
    CHECK(close_range(3, ~0U, 0) == 0); /* what the test was started with is not close-on-exec */
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK_INT(run(argv, &seen, &status), 0);
    CHECK(strstr(seen.text, "[SigBlk: 0000000000000000]"));
    CHECK(strstr(seen.text, "[SigIgn: 0000000000000000]"));
    CHECK(strstr(seen.text, "[5]")); /* a heading, 0 to 2, and the directory itself */
}

TEST(output_is_optional)
{
    static const char *const argv[] = {"seq", "1", "100000", NULL};
    struct wr_tool tool = {.argv = argv, .env = env, .cancel_fd = -1};
    int status = -1;
    CHECK_INT(wr_tool_run(&tool, &status), 0);
    CHECK_INT(status, 0);
}

TEST(killed_program_has_a_status)
{
    static const char *const argv[] = {"sh", "-c", "kill -KILL $$", NULL};
    static struct seen seen;
    int status = -1;
    CHECK_INT(run(argv, &seen, &status), 0);
    CHECK_INT(status, 128 + SIGKILL);
}

TEST(cancel_ends_the_whole_group)
{
    int status = -1, fds[2];
    CHECK(pipe2(fds, O_CLOEXEC) == 0);
    struct wr_tool tool = {.argv = sleepers,
                           .env = env,
                           .cancel_fd = fds[0],
                           .line = cancel_after_pids,
                           .data = &fds[1]};
    CHECK_INT(wr_tool_run(&tool, &status), -ECANCELED);
    CHECK(pids[0] > 1 && pids[1] > 1);
    CHECK(gone(pids[0]));
    CHECK(gone(pids[1]));
}

TEST(death_of_the_caller_ends_the_group)
{
    int fds[2];
    CHECK(pipe(fds) == 0);
    pid_t caller = fork();
    if (caller == 0) {
        int status = -1;
        struct wr_tool tool = {
            .argv = sleepers, .env = env, .cancel_fd = -1, .line = report_pids, .data = &fds[1]};
        (void)!wr_tool_run(&tool, &status);
        _exit(0);
    }
    CHECK(read(fds[0], pids, sizeof(pids)) == (ssize_t)sizeof(pids));
    CHECK(kill(caller, SIGKILL) == 0 && waitpid(caller, NULL, 0) == caller);
    CHECK(gone(pids[0]));
    CHECK(gone(pids[1]));
}

TEST(background_process_does_not_outlive_the_program)
{
    static const char *const argv[] = {"sh", "-c", "sleep 1000 & echo pids $$ $!", NULL};
    int status = -1, fds[2];
    CHECK(pipe(fds) == 0);
    struct wr_tool tool = {
        .argv = argv, .env = env, .cancel_fd = -1, .line = report_pids, .data = &fds[1]};
    uint64_t start_ms = wr_mono_ms();
    CHECK_INT(wr_tool_run(&tool, &status), 0);
    CHECK_INT(status, 0);
    CHECK(wr_mono_ms() - start_ms < 20000);
    CHECK(gone(pids[1]));
}
