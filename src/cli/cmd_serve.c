#include "cli/cmd_serve.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli/front.h"
#include "cli/launch.h"
#include "cli/serve_values.h"
#include "cli/settings.h"
#include "log/log.h"

/* Whoever started this server learns why it cannot start; afterwards nobody listens any more. */
static void report(int ready_fd, const struct wr_error *err)
{
    if (ready_fd >= 0 && wr_write_all(ready_fd, err, sizeof *err) < 0)
        wr_log(WR_LOG_DEBUG, "nobody waits for the error", NULL);
}

/* An option that is another way to give a setting; the setting's own option goes before it. */
static int stand_for(const struct wr_invocation *in, const char *name, const char *text,
                     struct wr_error *err)
{
    for (size_t i = 0; i < in->own.count; i++) {
        if (!wr_streq(in->own.opts[i].name, name) || in->own.texts[i])
            continue;
        in->own.texts[i] = text;
        return wr_opt_store(&in->own.opts[i], in->own.values, name, text, err);
    }
    return 0;
}

static int read_settings(const struct wr_invocation *in, const struct wr_serve_values *values,
                         struct wr_error *err)
{
    const struct wr_opt_set sets[] = {in->own, in->shared};

    int r = values->verbose ? stand_for(in, "log-level", "debug", err) : 0;
    if (r == 0)
        r = wr_settings_refuse_unknown(sets, WR_ARRAY_SIZE(sets), in->conf, err);
    return r < 0 ? r : wr_settings_apply(&in->own, in->conf, err);
}

static int check_config(const struct wr_invocation *in, const struct wr_launch_opts *launch,
                        struct wr_error *err)
{
    if (in->conf->path)
        printf("# file: %s\n", in->conf->path);
    wr_settings_print(stdout, &in->shared, in->conf);
    wr_settings_print(stdout, &in->own, in->conf);
    return wr_launch_check_paths(launch, err);
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    struct wr_serve_values *values = in->own.values;
    struct wr_front front = {0};
    struct wr_launch_opts launch = {
        .socket_path = in->common->socket_path,
        .data_dir = in->common->data_dir,
        .front = &front,
        .ready_fd = -1,
    };

    wr_log_init("server", WR_LOG_INFO);
    int r = read_settings(in, values, err);
    wr_log_init("server", (enum wr_log_level)values->log_level);
    wr_log_format_json(values->log_format == WR_LOG_FORMAT_JSON);
    launch.volume_path = values->volume_path;
    launch.volume_size_bytes = values->volume_size;
    launch.criu = values->criu;
    launch.idle_timeout_ms = values->idle_timeout_ms;
    launch.fake = values->fake;
    if (values->ready_fd && wr_fd_set_cloexec((int)values->ready_fd, true) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --ready-fd: not an open descriptor");
    if (values->ready_fd)
        launch.ready_fd = (int)values->ready_fd;
    if (r == 0)
        r = wr_front_plan(values, &front, err);
    if (values->check_config) {
        int checked = r;
        struct wr_error ignored;
        r = check_config(in, &launch, r < 0 ? &ignored : err);
        r = checked < 0 ? checked : r;
    } else if (r == 0 && values->check) {
        r = wr_launch_check(&launch, err);
        if (r == 0)
            printf("the server can start (socket %s, data directory %s)\n", launch.socket_path,
                   launch.data_dir);
    } else if (r == 0) {
        r = wr_launch(&launch, err);
    }
    if (r < 0)
        report(launch.ready_fd, err);
    wr_front_done(&front);
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
    .opts = wr_serve_opts,
    .opt_count = WR_SERVE_OPT_COUNT,
    .values_size = sizeof(struct wr_serve_values),
    .run = run,
};
