/* Runner of tests/test.h: TAP on stdout, one process per test. An argument selects tests by
 * substring. */
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

extern const struct wr_test __start_wr_tests[];
extern const struct wr_test __stop_wr_tests[];

void wr_test_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("# %s:%d: ", file, line);
    vprintf(fmt, ap);
    putchar('\n');
    va_end(ap);
    fflush(stdout);
    _exit(1);
}

static bool run(const struct wr_test *test, size_t number)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(120);
        test->fn();
        fflush(stdout);
        /* exit, not _exit: LeakSanitizer reports from an exit handler. */
        exit(0);
    }
    int status = 0;
    bool ok =
        pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    printf("%sok %zu - %s\n", ok ? "" : "not ", number, test->name);
    if (!ok && pid > 0 && WIFSIGNALED(status))
        printf("# killed by signal %d\n", WTERMSIG(status));
    return ok;
}

int main(int argc, char **argv)
{
    const char *filter = argc > 1 ? argv[1] : "";
    size_t count = 0, number = 0, failed = 0;

    for (const struct wr_test *t = __start_wr_tests; t < __stop_wr_tests; t++)
        count += strstr(t->name, filter) != NULL;
    printf("1..%zu\n", count);
    for (const struct wr_test *t = __start_wr_tests; t < __stop_wr_tests; t++)
        if (strstr(t->name, filter) && !run(t, ++number))
            failed++;
    return failed ? 1 : 0;
}
