#include "agent/exec/start.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "agent/env.h"
#include "agent/exec/limits.h"
#include "agent/exec/spawn.h"
#include "agent/fs/path.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "json/jread.h"

int wr_start_parse_pty(json_t *pty, struct wr_pty_size *ret, struct wr_error *err)
{
    json_t *size = NULL;
    uint64_t cols = 0, rows = 0;
    const struct wr_json_field outer[] = {{.name = "size", .kind = WR_JSON_OBJECT, .ret = &size}};
    const struct wr_json_field inner[] = {
        {.name = "cols", .kind = WR_JSON_U64, .ret = &cols, .min = 0, .max = UINT16_MAX},
        {.name = "rows", .kind = WR_JSON_U64, .ret = &rows, .min = 0, .max = UINT16_MAX},
    };
    int rc = wr_json_read(pty, outer, WR_ARRAY_SIZE(outer), WR_JSON_IGNORE_UNKNOWN, err);
    if (rc == 0 && size)
        rc = wr_json_read(size, inner, WR_ARRAY_SIZE(inner), WR_JSON_IGNORE_UNKNOWN, err);
    if (rc < 0)
        return wr_wrap(err, "pty");
    *ret = (struct wr_pty_size){.cols = (uint16_t)cols, .rows = (uint16_t)rows};
    return 0;
}

static int check_args(const json_t *args, struct wr_error *err)
{
    for (size_t i = 0; i < json_array_size(args); i++) {
        const json_t *arg = json_array_get(args, i);
        if (!json_is_string(arg) || strlen(json_string_value(arg)) != json_string_length(arg)) {
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "args[%zu] is not a string without NUL bytes", i);
        }
    }
    return 0;
}

int wr_start_parse(json_t *message, struct wr_start_request *ret, struct wr_error *err)
{
    struct wr_start_request r = {.cwd = "", .stdin_open = true};
    json_t *pty = NULL;
    const struct wr_json_field fields[] = {
        {.name = "process", .kind = WR_JSON_OBJECT, .required = true, .ret = &r.config},
        {.name = "pty", .kind = WR_JSON_OBJECT, .ret = &pty},
        {.name = "tag", .kind = WR_JSON_STRING, .ret = &r.tag, .max = WR_EXEC_MAX_TAG},
        {.name = "stdin", .kind = WR_JSON_BOOL, .ret = &r.stdin_open},
    };
    const struct wr_json_field config[] = {
        {.name = "cmd",
         .kind = WR_JSON_STRING,
         .required = true,
         .ret = &r.cmd,
         .max = WR_EXEC_MAX_CMD},
        {.name = "args", .kind = WR_JSON_ARRAY, .ret = &r.args, .max = WR_EXEC_MAX_ARGS},
        {.name = "envs", .kind = WR_JSON_OBJECT, .ret = &r.envs},
        {.name = "cwd", .kind = WR_JSON_STRING, .ret = &r.cwd, .max = PATH_MAX - 1},
    };
    int rc = wr_json_read(message, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, err);
    if (rc == 0)
        rc = wr_json_read(r.config, config, WR_ARRAY_SIZE(config), WR_JSON_IGNORE_UNKNOWN, err);
    if (rc == 0 && r.cmd[0] == '\0') {
        rc =
            wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "process.cmd is empty; name the program to run");
    }
    if (rc == 0 && r.args)
        rc = check_args(r.args, err);
    if (rc == 0 && pty) {
        r.is_pty = true;
        rc = wr_start_parse_pty(pty, &r.size, err);
    }
    if (rc == 0)
        *ret = r;
    return rc;
}

/* The descriptors of a start: what the child gets and what the agent keeps. */
struct stdio {
    int child[3];
    int input, out[2];
};

static void stdio_close(struct stdio *io)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(io->child); i++)
        io->child[i] = wr_close(io->child[i]);
    io->input = wr_close(io->input);
    for (size_t i = 0; i < WR_ARRAY_SIZE(io->out); i++)
        io->out[i] = wr_close(io->out[i]);
}
#define auto_stdio WR_CLEANUP(stdio_close) struct stdio

/* A pipe whose agent side (`ours`: 0 reads, 1 writes) does not block; the child's side does, as
 * programs expect. */
static int open_pipe(int ours, int *ret_ours, int *ret_child, struct wr_error *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "no pipe for the process");
    *ret_ours = fds[ours];
    *ret_child = fds[1 - ours];
    int rc = wr_fd_set_nonblock(fds[ours], true);
    return rc < 0 ? wr_fail(err, WR_E_INTERNAL, -rc, "set a pipe non-blocking") : 0;
}

static int open_pipes(struct stdio *io, bool stdin_open, struct wr_error *err)
{
    int rc = 0;
    if (stdin_open) {
        rc = open_pipe(1, &io->input, &io->child[0], err);
    } else {
        io->child[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (io->child[0] < 0)
            rc = wr_fail_errno(err, WR_E_INTERNAL, "open /dev/null");
    }
    if (rc == 0)
        rc = open_pipe(0, &io->out[0], &io->child[1], err);
    return rc < 0 ? rc : open_pipe(0, &io->out[1], &io->child[2], err);
}

static int open_pty(struct stdio *io, const struct wr_start_request *request,
                    const struct wr_user *user, struct wr_error *err)
{
    int rc = wr_pty_open(user->uid, request->size, &io->out[0], &io->child[0], err);
    if (rc < 0) {
        err->code = WR_E_INVALID_ARGUMENT;
        return wr_wrap(err, "error starting pty with command '%.60s'", request->cmd);
    }
    for (size_t i = 1; i < WR_ARRAY_SIZE(io->child); i++)
        io->child[i] = fcntl(io->child[0], F_DUPFD_CLOEXEC, 3);
    /* A descriptor of its own for writing: reading and writing are switched in the loop
     * independently. */
    io->input = fcntl(io->out[0], F_DUPFD_CLOEXEC, 3);
    if (io->child[1] < 0 || io->child[2] < 0 || io->input < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "no descriptor for the pty");
    return 0;
}

/* [spare][cmd][args...][NULL] of borrowed strings; the vector for execve begins at element 1. */
static char **make_argv(const struct wr_start_request *request, struct wr_error *err)
{
    size_t count = request->args ? json_array_size(request->args) : 0;
    char **argv = wr_calloc(count + 3, sizeof(*argv));
    if (!argv) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the arguments");
        return NULL;
    }
    /* execve takes non-const texts and does not change them. */
    argv[1] = (char *)(uintptr_t)request->cmd; // NOLINT(performance-no-int-to-ptr)
    for (size_t i = 0; i < count; i++) {
        const char *arg = json_string_value(json_array_get(request->args, i));
        argv[i + 2] = (char *)(uintptr_t)arg; // NOLINT(performance-no-int-to-ptr)
    }
    return argv;
}

static int spawn(struct wr_agent *agent, const struct wr_start_request *request,
                 const struct wr_user *user, const struct stdio *io, pid_t *ret_pid,
                 struct wr_error *err)
{
    wr_auto_env env = {0};
    char cwd[PATH_MAX];
    int rc = wr_env_build(&env, user, agent->config->env, request->envs, err);
    if (rc == 0)
        rc = wr_path_resolve(request->cwd, user, agent->config->default_workdir, cwd, err);
    if (rc < 0)
        return rc;
    wr_auto_free char **argv = make_argv(request, err);
    if (!argv)
        return -err->code;

    const char *path = wr_env_get(&env, "PATH");
    const struct wr_spawn_opts opts = {
        .cmd = request->cmd,
        .argv = argv + 1,
        .envp = env.vars,
        .path = path ? path : WR_ENV_DEFAULT_PATH,
        .cwd = cwd,
        .user = user,
        .stdio = {io->child[0], io->child[1], io->child[2]},
        .terminal = request->is_pty,
    };
    return wr_spawn(&opts, ret_pid, err);
}

/* What List shows of a process; not the whole message, which may carry anything. */
static json_t *keep_config(const struct wr_start_request *request)
{
    static const char *const keys[] = {"cmd", "args", "envs", "cwd"};
    json_t *kept = json_object();
    for (size_t i = 0; kept && i < WR_ARRAY_SIZE(keys); i++) {
        json_t *value = json_object_get(request->config, keys[i]);
        if (value && json_object_set(kept, keys[i], value) < 0) {
            json_decref(kept);
            return NULL;
        }
    }
    return kept;
}

int wr_start_process(struct wr_agent *agent, const struct wr_start_request *request,
                     const struct wr_user *user, uint64_t timeout_ms, struct wr_process **ret,
                     struct wr_error *err)
{
    auto_stdio io = {.child = {-1, -1, -1}, .input = -1, .out = {-1, -1}};
    wr_auto_json *config = keep_config(request);
    pid_t pid = -1;

    if (!config)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for a process");
    if (agent->processes.running_count >= WR_EXEC_MAX_LIVE) {
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "%d processes are running already; wait for one to end or kill one",
                       WR_EXEC_MAX_LIVE);
    }
    int rc = request->is_pty ? open_pty(&io, request, user, err)
                             : open_pipes(&io, request->stdin_open, err);
    if (rc == 0)
        rc = spawn(agent, request, user, &io, &pid, err);
    if (rc < 0)
        return rc;

    const struct wr_process_opts opts = {
        .pid = pid,
        .tag = request->tag,
        .config = config,
        .is_pty = request->is_pty,
        .input_fd = wr_steal_fd(&io.input),
        .out_fds = {wr_steal_fd(&io.out[0]), wr_steal_fd(&io.out[1])},
        .timeout_ms = timeout_ms,
    };
    rc = wr_process_new(&agent->processes, &opts, ret, err);
    if (rc < 0)
        (void)kill(-pid, SIGKILL); /* a process that nobody could ever see */
    return rc;
}
