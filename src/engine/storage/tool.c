#include "engine/storage/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

#define TIMEOUT_MS   60000
#define OUTPUT_BYTES 120

static WR_NORETURN void exec_tool(const char *path, const char *const *argv, int output)
{
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                              NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0 && dup2(null, 0) == 0 && dup2(output, 1) == 1 && dup2(output, 2) == 2) {
        /* execve() does not write to either; its prototype predates const. */
        execve(path, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
    }
    _exit(127);
}

static bool find_tool(const char *name, char *out, size_t cap)
{
    static const char *const dirs[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(dirs); i++) {
        if (wr_strformat(out, cap, "%s/%s", dirs[i], name) && access(out, X_OK) == 0)
            return true;
    }
    return false;
}

/* Keeps the last OUTPUT_BYTES of what the program prints, as one line. False when it was not done
 * in time. */
static bool read_output(int fd, char out[static OUTPUT_BYTES + 1])
{
    uint64_t deadline_ms = wr_mono_ms() + TIMEOUT_MS;
    char chunk[512];
    size_t len = 0;
    for (;;) {
        uint64_t now_ms = wr_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = now_ms < deadline_ms ? poll(&p, 1, (int)(deadline_ms - now_ms)) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++) {
            if (len == OUTPUT_BYTES)
                memmove(out, out + 1, --len);
            out[len++] = chunk[i] >= ' ' && chunk[i] <= '~' ? chunk[i] : ' ';
        }
    }
    while (len > 0 && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
    return true;
}

int wr_tool_run(const char *const *argv, const char *package, struct wr_error *err)
{
    char path[128], output[OUTPUT_BYTES + 1] = "";
    int ends[2];
    if (!find_tool(argv[0], path, sizeof(path)))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "%s is not installed (package %s)",
                       argv[0], package);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "run %s", argv[0]);
    wr_auto_close int from = ends[0];
    wr_auto_close int to = ends[1];
    pid_t pid = fork();
    if (pid == 0)
        exec_tool(path, argv, to);
    if (pid < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "run %s", argv[0]);
    to = wr_close(to);
    bool in_time = read_output(from, output);
    if (!in_time)
        kill(pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return wr_fail_errno(err, WR_E_INTERNAL, "wait for %s", argv[0]);
    }
    if (!in_time)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "%s took longer than %d s", argv[0],
                       TIMEOUT_MS / 1000);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "%s failed: %s", argv[0],
                       output[0] ? output : "it said nothing");
    return 0;
}
