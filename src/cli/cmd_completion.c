#include "cli/cmd_completion.h"

#include "base/str.h"
#include "cli/help.h"

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    if (!wr_streq(in->args[0], "bash"))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "completion: \"%.40s\" is not supported; bash is", in->args[0]);
    wr_help_bash(stdout, wr_commands);
    return 0;
}

const struct wr_command wr_cmd_completion = {
    .name = "completion",
    .summary = "Print completion code for a shell",
    .usage = "bash",
    .words = "bash",
    .min_args = 1,
    .max_args = 1,
    .offline = true,
    .run = run,
};
