/* The warren executable: finds the command, parses its options, prints its error once. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/cmd_serve.h"
#include "cli/cmd_version.h"
#include "cli/help.h"
#include "cli/settings.h"
#include "log/log.h"

static int check_args(const struct wr_command *command, const struct wr_opt_args *args,
                      struct wr_error *err)
{
    if (args->count < command->min_args)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "%s: an argument is missing; usage: warren %s %s", command->name,
                       command->name, command->usage);
    if (args->count > command->max_args)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "%s: too many arguments (\"%.40s\"); usage: warren %s %s", command->name,
                       args->items[command->max_args], command->name, command->usage);
    return 0;
}

/* The configuration file, and from it what every command needs: where the server is. What else it
 * holds is read by `serve` alone. */
static int read_common(struct wr_invocation *in, struct wr_common *common, struct wr_conf *conf,
                       struct wr_error *err)
{
    const char *environment = getenv("WARREN_CONFIG");

    if (!common->config_path && environment && *environment)
        common->config_path = environment;
    int r = wr_conf_read(conf, common->config_path ? common->config_path : WR_DEFAULT_CONF,
                         !common->config_path, err);
    in->conf = conf;
    return r < 0 ? r : wr_settings_apply(&in->shared, conf, err);
}

static int run_command(const struct wr_command *command, int argc, char **argv,
                       struct wr_invocation *in, struct wr_error *err)
{
    struct wr_common *common = in->shared.values;
    wr_auto_free struct wr_opt_args *args = wr_calloc(1, sizeof *args);
    wr_auto_free void *values = wr_calloc(1, command->values_size + 1);
    wr_auto_free const char **texts = wr_calloc(command->opt_count + 1, sizeof *texts);
    wr_auto_free struct wr_conf *conf = wr_calloc(1, sizeof *conf);

    if (!args || !values || !texts || !conf)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "arguments");
    in->own = (struct wr_opt_set){command->opts, command->opt_count, values, texts};
    const struct wr_opt_set sets[] = {in->own, in->shared};
    int r = wr_opts_parse(sets, WR_ARRAY_SIZE(sets), argc, argv,
                          command->stop_after ? command->stop_after : SIZE_MAX, args, err);
    if (r < 0)
        return wr_wrap(err, "%s", command->name);
    if (args->help) {
        wr_help_command(stdout, command);
        return 0;
    }
    r = check_args(command, args, err);
    if (r == 0 && !command->offline)
        r = read_common(in, common, conf, err);
    in->command = command;
    in->common = common;
    in->values = values;
    in->args = args->items;
    in->arg_count = args->count;
    if (r == 0)
        r = command->run(in, err);
    wr_conf_done(conf);
    return r;
}

/* Options before the command's name, then the command. */
static int dispatch(int argc, char **argv, struct wr_invocation *in, struct wr_error *err)
{
    wr_auto_free struct wr_opt_args *args = wr_calloc(1, sizeof *args);
    const char *slash = strrchr(argv[0], '/');
    int first = 1;

    if (!args)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "arguments");
    if (wr_streq(slash ? slash + 1 : argv[0], "warrend"))
        return run_command(&wr_cmd_serve, argc - 1, argv + 1, in, err);
    if (argc > 1 && wr_streq(argv[1], "--version"))
        return run_command(&wr_cmd_version, 0, argv, in, err);
    /* Everything from the first argument on belongs to the command. */
    int r = wr_opts_parse(&in->shared, 1, argc - 1, argv + 1, 1, args, err);
    if (r < 0)
        return r;
    if (args->count == 0) {
        wr_help_overview(args->help ? stdout : stderr, wr_commands);
        return args->help ? 0 : wr_code_exit_status(WR_E_INVALID_ARGUMENT);
    }
    while (argv[first] != args->items[0])
        first++;
    const struct wr_command *command = wr_command_find(args->items[0]);
    if (!command)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "no command \"%.40s\"; see `warren help`",
                       args->items[0]);
    if (args->help) {
        wr_help_command(stdout, command);
        return 0;
    }
    return run_command(command, argc - first - 1, argv + first + 1, in, err);
}

int main(int argc, char **argv)
{
    const char *texts[WR_COMMON_OPT_COUNT] = {0};
    struct wr_common common = {0};
    struct wr_invocation in = {
        .shared = {wr_common_opts, WR_COMMON_OPT_COUNT, &common, texts},
        .start_us = wr_mono_us(),
    };
    struct wr_error err = {0};

    /* A closed pipe is an error of write(), which every command handles. */
    if (argc < 1 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return wr_code_exit_status(WR_E_INTERNAL);
    wr_log_init("cli", WR_LOG_WARN);
    int r = dispatch(argc, argv, &in, &err);
    if (r >= 0)
        return r;
    fflush(stdout);
    fprintf(stderr, "warren: %s\n", err.msg);
    return wr_code_exit_status((enum wr_code)err.code);
}
