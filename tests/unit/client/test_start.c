#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/start.h"
#include "test.h"

static char dir[64], socket_path[96], script[96];

static void set_up(const char *text)
{
    snprintf(dir, sizeof dir, "/tmp/wr-start-XXXXXX");
    CHECK(mkdtemp(dir));
    snprintf(socket_path, sizeof socket_path, "%s/s", dir);
    snprintf(script, sizeof script, "%s/server", dir);
    FILE *file = fopen(script, "w");
    CHECK(file);
    fprintf(file, "#!/bin/sh\n%s\n", text);
    CHECK(fclose(file) == 0 && chmod(script, 0755) == 0);
}

static void tear_down(void)
{
    char lock[112];
    snprintf(lock, sizeof lock, "%s.start", socket_path);
    unlink(lock);
    unlink(script);
    CHECK(rmdir(dir) == 0);
}

static int try(struct wr_error *err, bool no_start)
{
    struct wr_transport *client = NULL;
    struct wr_connect_opts opts = {
        .socket_path = socket_path, .data_dir = dir, .executable = script, .no_start = no_start};
    return wr_transport_connect(&opts, &client, err);
}

TEST(no_start_says_that_nobody_listens)
{
    struct wr_error err = {0};
    set_up("exit 0");
    CHECK_INT(try(&err, true), -WR_E_UNAVAILABLE);
    CHECK(strstr(err.msg, "no server listens"));
    tear_down();
}

TEST(silent_server)
{
    struct wr_error err = {0};
    set_up("exit 1");
    int r = try(&err, false);
    if (geteuid() == 0)
        CHECK(r == -WR_E_UNAVAILABLE && strstr(err.msg, "without saying why"));
    else
        CHECK_INT(r, -WR_E_PERMISSION_DENIED);
    tear_down();
}

TEST(nonsense_from_the_server)
{
    struct wr_error err = {0};
    /* The last argument is the number of the pipe. */
    set_up("for n; do :; done; eval \"echo nonsense >&$n\"");
    int r = try(&err, false);
    if (geteuid() == 0)
        CHECK(r == -WR_E_UNAVAILABLE && strstr(err.msg, "without saying why"));
    tear_down();
}

TEST(ready_without_a_socket)
{
    struct wr_error err = {0};
    set_up("for n; do :; done; eval \"printf R >&$n\"");
    int r = try(&err, false);
    if (geteuid() == 0)
        CHECK(r == -WR_E_UNAVAILABLE && strstr(err.msg, "no server listens"));
    tear_down();
}

TEST(too_long_path)
{
    struct wr_error err = {0};
    struct wr_transport *client = NULL;
    char path[200];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    CHECK_INT(wr_transport_open_socket(path, &client, &err), -WR_E_INVALID_ARGUMENT);
}

TEST(it_is_private_and_reads_the_same_file)
{
    struct wr_error err = {0};
    struct wr_transport *client = NULL;
    char path[112], text[512] = "";

    NEEDS_ROOT();
    set_up("echo \"$@\" > \"$0.args\"");
    struct wr_connect_opts opts = {.socket_path = socket_path,
                                   .data_dir = dir,
                                   .config_path = "/etc/other.conf",
                                   .executable = script};
    CHECK_INT(wr_transport_connect(&opts, &client, &err), -WR_E_UNAVAILABLE);
    snprintf(path, sizeof path, "%s.args", script);
    FILE *file = fopen(path, "r");
    CHECK(file && fgets(text, sizeof text, file));
    fclose(file);
    CHECK(strstr(text, "serve --private ") && strstr(text, " --config /etc/other.conf\n"));
    CHECK(unlink(path) == 0);
    tear_down();
}

TEST(a_program_that_is_not_there)
{
    struct wr_error err = {0};

    NEEDS_ROOT();
    set_up("exit 0");
    CHECK(chmod(script, 0600) == 0);
    CHECK_INT(try(&err, false), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, script));
    tear_down();
}

TEST(a_start_is_not_waited_for_without_end)
{
    struct wr_error err = {0};
    struct wr_transport *client = NULL;
    int token = eventfd(1, EFD_CLOEXEC);

    NEEDS_ROOT();
    set_up("exec sleep 5");
    struct wr_connect_opts opts = {
        .socket_path = socket_path, .data_dir = dir, .executable = script, .timeout_ms = 100};
    CHECK_INT(wr_transport_connect(&opts, &client, &err), -WR_E_DEADLINE_EXCEEDED);
    opts.cancel_fd = token;
    opts.timeout_ms = 0;
    CHECK_INT(wr_transport_connect(&opts, &client, &err), -WR_E_CANCELED);
    close(token);
    tear_down();
}

/* Whatever the program that starts it has open or ignores. */
TEST(a_server_inherits_nothing)
{
    struct wr_error err = {0};
    char path[112], text[512] = "", wanted[16];
    int inheritable = -1;

    NEEDS_ROOT();
    /* A number that neither the shell nor what it runs uses. */
    CHECK((inheritable = fcntl(STDERR_FILENO, F_DUPFD, 100)) >= 100);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    set_up(
        "ls /proc/$$/fd | tr '\\n' ' ' > \"$0.seen\"; grep SigIgn /proc/$$/status >> \"$0.seen\"");
    CHECK_INT(try(&err, false), -WR_E_UNAVAILABLE);
    close(inheritable);
    snprintf(path, sizeof path, "%s.seen", script);
    FILE *file = fopen(path, "r");
    CHECK(file && fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    snprintf(wanted, sizeof wanted, " %d ", inheritable);
    CHECK(!strstr(text, wanted));
    /* 32 and 33 are the C library's own, which no program can set. */
    const char *ignored = strstr(text, "SigIgn:");
    CHECK(ignored);
    CHECK((strtoull(ignored + strlen("SigIgn:"), NULL, 16) & ~(3ULL << 31)) == 0);
    CHECK(unlink(path) == 0);
    tear_down();
}

/* A daemon has closed its standard streams: what is opened meanwhile has their numbers. */
TEST(a_program_without_standard_streams_starts_one)
{
    static const char whole[] = "0 /dev/null\n1 " WR_SERVER_LOG "\n2 " WR_SERVER_LOG "\n";
    struct wr_error err = {0};
    char path[112], text[512] = "";
    int status = 0;

    NEEDS_ROOT();
    set_up("for fd in 0 1 2; do echo $fd $(readlink /proc/$$/fd/$fd) >> \"$0.seen\"; done\n"
           "for n; do :; done; eval \"printf R >&$n\"");
    pid_t pid = fork();
    if (pid == 0) {
        (void)close_range(0, 2, 0);
        int r = try(&err, false);
        /* It was ready, without a socket. */
        _exit(r == -WR_E_UNAVAILABLE && strstr(err.msg, "no server listens") ? 0 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
    snprintf(path, sizeof path, "%s.seen", script);
    FILE *file = fopen(path, "r");
    CHECK(file && fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    CHECK_STR(text, whole);
    CHECK(unlink(path) == 0);
    tear_down();
}
