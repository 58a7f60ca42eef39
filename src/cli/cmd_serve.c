#include "cli/cmd_serve.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "cli/launch.h"
#include "client/start.h"
#include "log/log.h"

struct values {
    const char *idle_timeout;
    const char *volume_path;
    uint64_t volume_size, ready_fd;
    bool foreground, log_json, check, fake, verbose;
};

static const struct wr_opt opts[] = {
    {"idle-timeout", 0, WR_OPT_STRING, offsetof(struct values, idle_timeout), "TIME",
     "end after TIME without requests and sandboxes (default: never)", 0, 0, false},
    {"volume-size", 0, WR_OPT_SIZE, offsetof(struct values, volume_size), "SIZE",
     "size of the file for writable layers, when it is made", 256 * WR_MIB, 64 * 1024 * WR_GIB,
     false},
    {"volume-path", 0, WR_OPT_STRING, offsetof(struct values, volume_path), "DIR",
     "directory for writable layers instead of a file of our own", 0, 0, false},
    {"foreground", 0, WR_OPT_FLAG, offsetof(struct values, foreground), NULL,
     "stay in the foreground (always so; accepted for service files)", 0, 0, false},
    {"log-json", 0, WR_OPT_FLAG, offsetof(struct values, log_json), NULL,
     "log lines as JSON objects", 0, 0, false},
    {"verbose", 'v', WR_OPT_FLAG, offsetof(struct values, verbose), NULL, "log details", 0, 0,
     false},
    {"check", 0, WR_OPT_FLAG, offsetof(struct values, check), NULL,
     "say whether the server could start, and end", 0, 0, false},
    {"fake", 0, WR_OPT_FLAG, offsetof(struct values, fake), NULL,
     "sandboxes without isolation, for tests", 0, 0, true},
    {"ready-fd", 0, WR_OPT_U64, offsetof(struct values, ready_fd), "FD",
     "pipe that is told about readiness or failure", 3, 1023, true},
};

/* Whoever started this server learns why it cannot start; afterwards nobody listens any more. */
static void report(int ready_fd, const struct wr_error *err)
{
    if (ready_fd >= 0 && wr_write_all(ready_fd, err, sizeof *err) < 0)
        wr_log(WR_LOG_DEBUG, "nobody waits for the error", NULL);
}

static int parse_idle(const char *text, uint64_t *ret_ms, struct wr_error *err)
{
    if (!text)
        return 0;
    if (wr_parse_duration(text, ret_ms) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --idle-timeout: \"%.40s\" is not a duration such as 30s or 10m",
                       text);
    return 0;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    struct wr_launch_opts launch = {
        .socket_path = in->common->socket_path,
        .data_dir = in->common->data_dir,
        .volume_path = values->volume_path,
        .volume_size_bytes = values->volume_size,
        .ready_fd = values->ready_fd ? (int)values->ready_fd : -1,
        .fake = values->fake,
    };

    wr_log_init("server", values->verbose ? WR_LOG_DEBUG : WR_LOG_INFO);
    wr_log_format_json(values->log_json);
    int r = parse_idle(values->idle_timeout, &launch.idle_timeout_ms, err);
    if (r == 0 && launch.ready_fd >= 0 && wr_fd_set_cloexec(launch.ready_fd, true) < 0)
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --ready-fd: not an open descriptor");
    if (r == 0 && values->check) {
        r = wr_launch_check(&launch, err);
        if (r == 0)
            printf("the server can start (socket %s, data directory %s)\n", launch.socket_path,
                   launch.data_dir);
        return r;
    }
    if (r == 0)
        r = wr_launch(&launch, err);
    if (r < 0)
        report(launch.ready_fd, err);
    return r;
}

const struct wr_command wr_cmd_serve = {
    .name = "serve",
    .summary = "Run the server (other commands start one when they need it)",
    .usage = "[OPTIONS]",
    .details =
        "Needs root to start: the engine, a process of its own, makes namespaces and mounts. The\n"
        "process that serves requests gives up root before it reads the first one. SIGTERM ends\n"
        "the server; its sandboxes live on and are found again by the next one.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .run = run,
};
