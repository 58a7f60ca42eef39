#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "base/str.h"
#include "client/handles.h"

#define DEFAULT_MAX_OUTPUT (16 * WR_MIB)
#define DEFAULT_TIMEOUT_MS 60000
#define DEFAULT_COLS       80
#define DEFAULT_ROWS       24

static int check_opts(const struct wr_program_opts *opts, struct wr_error *err)
{
    bool has_argv = opts->argv_count > 0;
    int r = 0;

    if (!opts->command == !has_argv)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "program: needs either command or argv");
    if (opts->command)
        r = wr_opts_check_text(opts->command, "program: command", err);
    else
        r = wr_opts_check_text(opts->argv ? opts->argv[0] : NULL, "program: argv", err);
    for (size_t i = 1; r == 0 && i < opts->argv_count; i++)
        if (!opts->argv[i] || !wr_utf8_valid(opts->argv[i], strlen(opts->argv[i])))
            r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "program: argv[%zu] is no UTF-8 text", i);
    if (r == 0)
        r = wr_opts_check_pairs(opts->envs, opts->env_count, "program: envs", err);
    if (r == 0 && !opts->input && opts->input_len > 0)
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "program: input is NULL, its length is not 0");
    return r;
}

static int read_opts(const struct wr_program_opts *opts, struct wr_program_opts *own,
                     struct wr_error *err)
{
    int r = wr_options_read(opts, own, sizeof *own, "wr_program_opts", err);
    if (r == 0)
        r = check_opts(own, err);
    if (r < 0)
        return r;
    if (own->timeout_ms == 0)
        own->timeout_ms = DEFAULT_TIMEOUT_MS;
    if (own->max_output == 0)
        own->max_output = DEFAULT_MAX_OUTPUT;
    if (own->cols == 0)
        own->cols = DEFAULT_COLS;
    if (own->rows == 0)
        own->rows = DEFAULT_ROWS;
    return 0;
}

int wr_program_run(struct wr_sandbox *sandbox, const struct wr_program_opts *opts,
                   const struct wr_wait *wait, struct wr_value **ret, struct wr_error *err)
{
    struct wr_program_opts own;
    struct wr_call call = {0};

    int r = read_opts(opts, &own, err);
    if (r == 0 && own.keep_input)
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                    "program: keep_input is for wr_program_start(), wr_program_run() has no end "
                    "to write to");
    if (r == 0)
        r = wr_call_begin(sandbox, wait, wr_call_default_ms(sandbox, own.timeout_ms), &call, err);
    if (r < 0)
        return r;
    call.user = own.user;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->program_run(driver->self, &call, &own, ret, err);
}

int wr_program_start(struct wr_sandbox *sandbox, const struct wr_program_opts *opts,
                     const struct wr_wait *wait, struct wr_program **ret, struct wr_error *err)
{
    struct wr_program_opts own;
    struct wr_call call = {0};

    int r = read_opts(opts, &own, err);
    if (r == 0)
        r = wr_call_begin(sandbox, wait, 0, &call, err);
    if (r < 0)
        return r;
    call.user = own.user;
    struct wr_program *program = wr_calloc(1, sizeof *program);
    if (!program)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "program");
    const struct wr_driver *driver = &sandbox->client->driver;
    r = driver->ops->program_start(driver->self, &call, &own, &program->program, err);
    if (r < 0) {
        free(program);
        return r;
    }
    program->sandbox = wr_sandbox_ref(sandbox);
    program->terminal = own.terminal;
    *ret = program;
    return 0;
}

static const struct wr_driver_ops *ops_of(const struct wr_program *program)
{
    return program->sandbox->client->driver.ops;
}

int wr_program_wait(struct wr_program *program, const struct wr_wait *wait, struct wr_value **ret,
                    struct wr_error *err)
{
    struct wr_wait begun = {0};

    /* A program has a time of its own, so waiting for it needs none. */
    int r = wr_wait_begin(program->sandbox->client, wait, WR_WAIT_NO_END, &begun, err);
    return r < 0 ? r : ops_of(program)->program_wait(program->program, &begun, ret, err);
}

int wr_program_write(struct wr_program *program, const void *bytes, size_t len,
                     const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_wait begun = {0};

    int r = wr_wait_begin(program->sandbox->client, wait, 0, &begun, err);
    return r < 0 ? r : ops_of(program)->program_write(program->program, bytes, len, &begun, err);
}

int wr_program_close_input(struct wr_program *program, const struct wr_wait *wait,
                           struct wr_error *err)
{
    struct wr_wait begun = {0};

    int r = wr_wait_begin(program->sandbox->client, wait, 0, &begun, err);
    return r < 0 ? r : ops_of(program)->program_close_input(program->program, &begun, err);
}

int wr_program_resize(struct wr_program *program, uint16_t cols, uint16_t rows,
                      const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_wait begun = {0};

    if (cols == 0 || rows == 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "program: a terminal of no size");
    if (!program->terminal)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "program: it has no terminal");
    int r = wr_wait_begin(program->sandbox->client, wait, 0, &begun, err);
    return r < 0 ? r : ops_of(program)->program_resize(program->program, cols, rows, &begun, err);
}

int wr_program_signal(struct wr_program *program, int signo, const struct wr_wait *wait,
                      struct wr_error *err)
{
    struct wr_wait begun = {0};

    if (signo <= 0 || signo > 64)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "program: %d is no signal", signo);
    int r = wr_wait_begin(program->sandbox->client, wait, 0, &begun, err);
    return r < 0 ? r : ops_of(program)->program_signal(program->program, signo, &begun, err);
}

uint32_t wr_program_pid(const struct wr_program *program)
{
    return ops_of(program)->program_pid(program->program);
}

struct wr_program *wr_program_free(struct wr_program *program)
{
    if (!program)
        return NULL;
    ops_of(program)->program_free(program->program);
    wr_sandbox_free(program->sandbox);
    free(program);
    return NULL;
}

int wr_program_list(struct wr_sandbox *sandbox, const struct wr_wait *wait, struct wr_value **ret,
                    struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_call_begin(sandbox, wait, 0, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->program_list(driver->self, &call, ret, err);
}
