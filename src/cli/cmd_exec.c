#include "cli/cmd_exec.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"
#include "cli/awake.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "client/api_sandbox.h"

struct values {
    struct wr_opt_list envs;
    const char *user, *cwd;
    uint64_t timeout_ms;
    bool terminal;
};

static const struct wr_opt opts[] = {
    {"terminal", 't', WR_OPT_FLAG, offsetof(struct values, terminal), NULL,
     "give the command a terminal", 0, 0, false},
    {"user", 'u', WR_OPT_STRING, offsetof(struct values, user), "NAME",
     "user of the command (the template's)", 0, 0, false},
    {"cwd", 'w', WR_OPT_STRING, offsetof(struct values, cwd), "DIR", "working directory", 0, 0,
     false},
    {"env", 'e', WR_OPT_LIST, offsetof(struct values, envs), "NAME=VALUE", "variable (repeatable)",
     0, 0, false},
    {"timeout", 0, WR_OPT_DURATION, offsetof(struct values, timeout_ms), "TIME",
     "kill the command after TIME; the status is then 124", 1, 86400000, false},
};

/* The command's variables; with a terminal also its kind, unless it was given. */
static const char **collect_envs(const struct values *values, char term[static 80],
                                 size_t *ret_count)
{
    const char **envs = wr_calloc(values->envs.count + 1, sizeof *envs);
    const char *own = getenv("TERM");
    size_t count = 0;

    if (envs && values->terminal &&
        wr_strformat(term, 80, "TERM=%s", own && *own ? own : "xterm-256color"))
        envs[count++] = term;
    for (size_t i = 0; envs && i < values->envs.count; i++)
        envs[count++] = values->envs.items[i];
    *ret_count = count;
    return envs;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    char term[80];
    size_t env_count = 0;
    wr_auto_free const char **envs = collect_envs(values, term, &env_count);
    struct wr_transport *client = NULL;
    struct wr_session *session = NULL;
    struct wr_session_result result = {0};
    struct wr_session_opts session_opts = {
        .process = {.sandbox_id = in->args[0],
                    .user = values->user,
                    .cwd = values->cwd,
                    .cmd = in->args[1],
                    .args = in->args + 2,
                    .arg_count = in->arg_count - 2,
                    .envs = envs,
                    .env_count = env_count,
                    .pty = values->terminal,
                    .timeout_ms = values->timeout_ms},
        .forward_input = true,
    };

    if (!envs)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "variables");
    int r = wr_api_sandbox_id_check(in->args[0], err);
    if (r < 0)
        return r;
    wr_terminal_size(&session_opts.process.cols, &session_opts.process.rows);
    r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_cli_awake(client, in->args[0], err);
    if (r == 0)
        r = wr_session_new(client, &session, err);
    if (r == 0 && values->terminal)
        r = wr_terminal_raw(err);
    if (r == 0)
        r = wr_session_run(session, &session_opts, &result, err);
    wr_terminal_restore();
    if (r < 0 && session && wr_cli_paused_meanwhile(client, in->args[0], err))
        r = -err->code;
    if (r == 0 && result.interrupted_by)
        r = 128 + result.interrupted_by;
    else if (r == 0)
        r = result.timed_out ? 124 : result.exit_status;
    wr_session_result_done(&result);
    wr_session_free(session);
    wr_transport_free(client);
    return r;
}

const struct wr_command wr_cmd_exec = {
    .name = "exec",
    .summary = "Run a command in a sandbox",
    .usage = "[OPTIONS] ID [--] COMMAND [ARG...]",
    .details =
        "Standard input, output and the exit status are the command's (128 + N when signal\n"
        "N killed it). Options come before COMMAND; what follows it belongs to it. A sandbox that\n"
        "is paused is resumed first.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 2,
    .max_args = WR_OPT_MAX_ARGS,
    .stop_after = 2,
    .run = run,
};
