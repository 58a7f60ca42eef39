#include <fcntl.h>
#include <sys/stat.h>
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
    struct wr_client *client = NULL;
    struct wr_connect_opts opts = {
        .socket_path = socket_path, .data_dir = dir, .executable = script, .no_start = no_start};
    return wr_client_connect(&opts, &client, err);
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
    struct wr_client *client = NULL;
    char path[200];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    CHECK_INT(wr_client_open(path, &client, &err), -WR_E_INVALID_ARGUMENT);
}

TEST(it_is_private_and_reads_the_same_file)
{
    struct wr_error err = {0};
    struct wr_client *client = NULL;
    char path[112], text[512] = "";

    NEEDS_ROOT();
    set_up("echo \"$@\" > \"$0.args\"");
    struct wr_connect_opts opts = {.socket_path = socket_path,
                                   .data_dir = dir,
                                   .config_path = "/etc/other.conf",
                                   .executable = script};
    CHECK_INT(wr_client_connect(&opts, &client, &err), -WR_E_UNAVAILABLE);
    snprintf(path, sizeof path, "%s.args", script);
    FILE *file = fopen(path, "r");
    CHECK(file && fgets(text, sizeof text, file));
    fclose(file);
    CHECK(strstr(text, "serve --private ") && strstr(text, " --config /etc/other.conf\n"));
    CHECK(unlink(path) == 0);
    tear_down();
}
