#include "cli/cmd_help.h"

#include "cli/help.h"

struct values {
    bool markdown;
};

static const struct wr_opt opts[] = {
    {"markdown", 0, WR_OPT_FLAG, offsetof(struct values, markdown), NULL,
     "all commands, as the reference page", 0, 0, false},
};

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;

    if (values->markdown) {
        wr_help_markdown(stdout, wr_commands);
        return 0;
    }
    if (in->arg_count == 0) {
        wr_help_overview(stdout, wr_commands);
        return 0;
    }
    const struct wr_command *command = wr_command_find(in->args[0]);
    if (!command)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "no command \"%.40s\"; see `warren help`",
                       in->args[0]);
    wr_help_command(stdout, command);
    return 0;
}

const struct wr_command wr_cmd_help = {
    .name = "help",
    .summary = "Show help",
    .usage = "[COMMAND]",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .max_args = 1,
    .offline = true,
    .run = run,
};
