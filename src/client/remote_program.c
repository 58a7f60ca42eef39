#include "client/remote_program.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "client/remote_ops.h"
#include "json/value.h"

/* ---- what the agent says ---- */

/* The next piece of what it was started with, then its end. */
static void pump_input(struct wr_remote_program *program)
{
    size_t left = program->input_len - program->input_taken;

    if (program->writing || program->pid == 0 || program->ended)
        return;
    if (left > 0) {
        size_t len = WR_MIN(left, WR_PROCESS_INPUT_CHUNK);
        if (wr_process_input(program->process, program->input + program->input_taken, len,
                             &program->write_error) == 0) {
            program->writing = true;
            program->input_taken += len;
            return;
        }
        program->input_taken = program->input_len;
        program->close_input = false;
    }
    free(wr_steal_ptr(&program->input));
    if (program->close_input) {
        program->close_input = false;
        wr_process_close_stdin(program->process);
    }
}

static void on_start(struct wr_process *process, uint32_t pid, void *data)
{
    struct wr_remote_program *program = data;

    (void)process;
    program->pid = pid;
    pump_input(program);
}

static void on_output(struct wr_process *process, enum wr_process_stream stream, const void *bytes,
                      size_t len, void *data)
{
    static const enum wr_program_stream streams[] = {[WR_PROCESS_STDOUT] = WR_STDOUT,
                                                     [WR_PROCESS_STDERR] = WR_STDERR,
                                                     [WR_PROCESS_PTY] = WR_TERMINAL};
    struct wr_remote_program *program = data;

    (void)process;
    if (program->error.code != WR_OK)
        return;
    struct wr_kept_output *kept = stream == WR_PROCESS_STDERR ? &program->errors : &program->out;
    if (wr_kept_output_add(kept, bytes, len, NULL, &program->error) == 0 && program->on_output &&
        program->on_output(streams[stream], bytes, len, program->on_output_data) != 0)
        (void)wr_fail(&program->error, WR_E_CANCELED, 0, "the program was given up by its caller");
}

static void on_input_done(struct wr_process *process, const struct wr_error *error, void *data)
{
    struct wr_remote_program *program = data;

    (void)process;
    program->writing = false;
    if (error) {
        program->write_error = *error;
        /* Nobody reads it any more: the rest is of no use. */
        program->input_taken = program->input_len;
        program->close_input = false;
    }
    pump_input(program);
}

static void on_end(struct wr_process *process, const struct wr_process_end *end,
                   const struct wr_error *error, void *data)
{
    struct wr_remote_program *program = data;

    (void)process;
    program->ended = true;
    program->end_us = wr_mono_us();
    if (end)
        program->end = *end;
    else if (program->error.code == WR_OK)
        program->error = *error;
}

static const struct wr_process_ops process_ops = {
    .on_start = on_start, .on_output = on_output, .on_input_done = on_input_done, .on_end = on_end};

/* ---- start ---- */

#define TERMINAL_ENVS 3

/* Whether one of the caller's variables has the name of "NAME=value". */
static bool has_name(const struct wr_program_opts *opts, const char *pair)
{
    size_t len = (size_t)(strchr(pair, '=') - pair) + 1;

    for (size_t i = 0; i < opts->env_count; i++)
        if (strncmp(opts->envs[i], pair, len) == 0)
            return true;
    return false;
}

/* What a terminal's programs look at, unless the caller says otherwise. *ret is the caller's. */
static int with_terminal_envs(const struct wr_program_opts *opts, const char ***ret,
                              size_t *ret_count, struct wr_error *err)
{
    static const char *const defaults[TERMINAL_ENVS] = {"TERM=xterm-256color", "LANG=C.UTF-8",
                                                        "LC_ALL=C.UTF-8"};
    const char **envs = wr_calloc(opts->env_count + TERMINAL_ENVS, sizeof envs[0]);
    size_t count = 0;

    if (!envs)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "program");
    for (size_t i = 0; i < opts->env_count; i++)
        envs[count++] = opts->envs[i];
    for (size_t i = 0; opts->terminal && i < TERMINAL_ENVS; i++)
        if (!has_name(opts, defaults[i]))
            envs[count++] = defaults[i];
    *ret = envs;
    *ret_count = count;
    return 0;
}

static int start_process(struct wr_remote_program *program, const struct wr_program_opts *opts,
                         struct wr_error *err)
{
    const char *const login[] = {"-l", "-c", opts->command};
    wr_auto_free const char **envs = NULL;
    const struct wr_sandbox_access *access = &program->access;
    struct wr_process_opts process = {
        .sandbox_id = access->id,
        .sandbox_domain = access->domain[0] ? access->domain : NULL,
        .access_token = access->access_token[0] ? access->access_token : NULL,
        .user = program->user[0] ? program->user : NULL,
        .cwd = opts->cwd,
        .cmd = opts->command ? "/bin/bash" : opts->argv[0],
        .args = opts->command ? login : opts->argv + 1,
        .arg_count = opts->command ? WR_ARRAY_SIZE(login) : opts->argv_count - 1,
        .with_stdin = (opts->input || opts->keep_input) && !opts->terminal,
        .pty = opts->terminal,
        .cols = opts->cols,
        .rows = opts->rows,
        .timeout_ms = opts->timeout_ms,
    };

    int r = with_terminal_envs(opts, &envs, &process.env_count, err);
    process.envs = envs;
    return r < 0 ? r
                 : wr_process_start(program->use.transport, &process, &process_ops, program,
                                    &program->process, err);
}

static int take_opts(struct wr_remote_program *program, const struct wr_call *call,
                     const struct wr_program_opts *opts, struct wr_error *err)
{
    program->access = *call->sandbox;
    program->on_output = opts->on_output;
    program->on_output_data = opts->on_output_data;
    wr_kept_output_init(&program->out, opts->max_output);
    wr_kept_output_init(&program->errors, opts->max_output);
    program->close_input = opts->input && !opts->keep_input && !opts->terminal;
    if (!wr_strcopy(program->user, sizeof program->user, call->user ? call->user : ""))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "program: the name of the user is too long");
    if (opts->input_len > 0) {
        program->input = wr_calloc(1, opts->input_len);
        if (!program->input)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "input of the program");
        memcpy(program->input, opts->input, opts->input_len);
        program->input_len = opts->input_len;
    }
    return 0;
}

/* After the call was given up while the program may run already: its handle will be nobody's. */
static void kill_abandoned(struct wr_remote_program *program)
{
    struct wr_error ignored = {0};
    const struct wr_wait wait = {.timeout_ms = WR_REMOTE_CLEAN_UP_MS};

    if (program->pid && !program->ended)
        (void)!wr_remote_program_signal(program, SIGKILL, &wait, &ignored);
}

/* Starts it, and returns when it runs. */
static int open_program(struct wr_remote *remote, const struct wr_call *call,
                        const struct wr_program_opts *opts, struct wr_remote_program **ret,
                        struct wr_error *err)
{
    struct wr_remote_program *program = wr_calloc(1, sizeof *program);

    if (!program)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "program");
    int r = take_opts(program, call, opts, err);
    if (r == 0)
        r = wr_remote_begin(remote, &call->wait, &program->use, err);
    if (r == 0)
        r = wr_remote_check_reach(&program->use, call, err);
    program->begin_us = wr_mono_us();
    if (r == 0)
        r = start_process(program, opts, err);
    while (r == 0 && program->pid == 0 && !program->ended && program->error.code == WR_OK)
        r = wr_remote_step(&program->use, "start of the program", err);
    if (r == 0 && program->pid == 0) {
        if (program->error.code == WR_OK)
            (void)wr_fail(&program->error, WR_E_INTERNAL, 0, "the program ended before it began");
        *err = program->error;
        r = wr_remote_explain(&program->use, call, "the program was started", err);
    }
    if (r < 0) {
        kill_abandoned(program);
        wr_remote_program_free(program);
        return r;
    }
    *ret = program;
    return 0;
}

void wr_remote_program_free(void *self)
{
    struct wr_remote_program *program = self;

    program->process = wr_process_free(program->process);
    wr_remote_end(&program->use);
    wr_kept_output_done(&program->out);
    wr_kept_output_done(&program->errors);
    free(program->input);
    explicit_bzero(&program->access, sizeof program->access);
    free(program);
}

/* ---- until it ends ---- */

int wr_remote_program_follow(struct wr_remote_program *program, struct wr_error *err)
{
    const struct wr_call call = {.sandbox = &program->access};
    int r = 0;

    while (r == 0 && !program->ended && program->error.code == WR_OK)
        r = wr_remote_step(&program->use, "the program", err);
    if (r == 0 && program->error.code != WR_OK) {
        *err = program->error;
        r = wr_remote_explain(&program->use, &call, "the program ran", err);
    }
    return r;
}

int wr_remote_program_result(const struct wr_remote_program *program, struct wr_value **ret,
                             struct wr_error *err)
{
    wr_auto_value *value = wr_value_object();
    const struct {
        const char *key;
        struct wr_value *member;
    } members[] = {
        {"exit_code", wr_value_of_int(program->end.exit_status)},
        {"signal", wr_value_of_int(program->end.signal)},
        {"stdout", wr_kept_output_value(&program->out)},
        {"stderr", wr_kept_output_value(&program->errors)},
        {"stdout_dropped", wr_value_of_int((int64_t)program->out.dropped)},
        {"stderr_dropped", wr_value_of_int((int64_t)program->errors.dropped)},
        {"time_ms", wr_value_of_double((double)(program->end_us - program->begin_us) / 1000.0)},
    };
    int r = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(members); i++) {
        int set = wr_value_set(value, members[i].key, members[i].member, err);
        r = r < 0 ? r : set;
    }
    if (r == 0)
        *ret = wr_steal_ptr(&value);
    return r;
}

int wr_remote_program_run(void *self, const struct wr_call *call,
                          const struct wr_program_opts *opts, struct wr_value **ret,
                          struct wr_error *err)
{
    struct wr_remote_program *program = NULL;

    int r = open_program(self, call, opts, &program, err);
    if (r < 0)
        return r;
    r = wr_remote_program_follow(program, err);
    if (r == 0)
        r = wr_remote_program_result(program, ret, err);
    else
        kill_abandoned(program);
    wr_remote_program_free(program);
    return r;
}

int wr_remote_program_start(void *self, const struct wr_call *call,
                            const struct wr_program_opts *opts, void **ret_program,
                            struct wr_error *err)
{
    struct wr_remote_program *program = NULL;

    int r = open_program(self, call, opts, &program, err);
    if (r < 0)
        return r;
    r = wr_remote_rebind(&program->use, NULL, err);
    if (r < 0) {
        kill_abandoned(program);
        wr_remote_program_free(program);
        return r;
    }
    *ret_program = program;
    return 0;
}
