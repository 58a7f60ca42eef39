/* The fake driver's interpreter and programs. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "json/value.h"
#include "support/fake_driver_internal.h"

struct fake_program {
    struct fake_driver *driver;
    json_t *result;
};

/* ---- what tests say ---- */

struct wr_value *fake_code_result(const char *out, const char *errors, const char *result,
                                  const char *error_name, const char *error_value)
{
    json_t *error = json_null(), *results = json_array();

    if (error_name)
        error = json_pack("{s:s, s:s, s:s+}", "name", error_name, "value", error_value, "traceback",
                          error_name, ": somewhere");
    if (result)
        json_array_append_new(results,
                              json_pack("{s:s, s:b}", "text", result, "is_main_result", 1));
    return wr_value_of_json(json_pack("{s:s, s:s, s:s+, s:o, s:o, s:i, s:i, s:i, s:f}", "stdout",
                                      out ? out : "", "stderr", errors ? errors : "", "output",
                                      out ? out : "", errors ? errors : "", "results", results,
                                      "error", error, "execution_count", 1, "stdout_dropped", 0,
                                      "stderr_dropped", 0, "time_ms", 1.0));
}

int fake_code_emit(const struct wr_code_opts *opts, enum wr_code_event_kind kind, const char *text)
{
    const struct wr_code_event event = {.kind = kind, .text = text, .text_len = strlen(text)};

    return opts->on_event ? opts->on_event(&event, opts->on_event_data) : 0;
}

struct wr_value *fake_program_result(int exit_code, const char *out, const char *errors)
{
    return wr_value_of_json(json_pack("{s:i, s:i, s:s, s:s, s:i, s:i, s:f}", "exit_code", exit_code,
                                      "signal", 0, "stdout", out ? out : "", "stderr",
                                      errors ? errors : "", "stdout_dropped", 0, "stderr_dropped",
                                      0, "time_ms", 1.0));
}

/* ---- code ---- */

static bool has_context(const struct fake_sandbox *sandbox, const char *id, size_t *ret_index)
{
    size_t i;
    json_t *context;

    json_array_foreach(sandbox->contexts, i, context) {
        if (wr_streq(json_string_value(json_object_get(context, "id")), id)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static int no_context(const char *id, struct wr_error *err)
{
    return wr_fail(err, WR_E_NOT_FOUND, 0, "Context %s not found", id);
}

static int code_run(void *self, const struct wr_call *call, const struct wr_code_opts *opts,
                    struct wr_value **ret, struct wr_error *err)
{
    struct fake_driver *driver = self;
    struct fake_sandbox *sandbox = NULL;
    fake_code_fn fn = NULL;
    void *data = NULL;
    size_t index = 0;

    int r = fake_begin(driver, FAKE_CODE, call, opts->code, err);
    if (r == 0) {
        r = fake_sandbox_of(driver, call, &sandbox, err);
        if (r == 0 && opts->context_id && !has_context(sandbox, opts->context_id, &index))
            r = no_context(opts->context_id, err);
        fn = driver->on_code;
        data = driver->code_data;
        fake_unlock(driver);
    }
    if (r == 0 && fn)
        r = fn(driver, call, opts, data, ret, err);
    else if (r == 0)
        *ret = fake_code_result(NULL, NULL, NULL, NULL, NULL);
    fake_end(driver, FAKE_CODE);
    return r;
}

static int context_create(void *self, const struct wr_call *call,
                          const struct wr_context_spec *spec, char ret_id[static WR_CONTEXT_ID_MAX],
                          struct wr_error *err)
{
    struct fake_driver *driver = self;
    struct fake_sandbox *sandbox = NULL;

    int r = fake_begin(driver, FAKE_CONTEXT_CREATE, call, spec->language, err);
    if (r == 0) {
        r = fake_sandbox_of(driver, call, &sandbox, err);
        if (r == 0) {
            if (!wr_strformat(ret_id, WR_CONTEXT_ID_MAX, "context-%u", ++driver->numbers))
                abort();
            json_array_append_new(sandbox->contexts,
                                  json_pack("{s:s, s:s, s:s}", "id", ret_id, "language",
                                            spec->language, "cwd",
                                            spec->cwd ? spec->cwd : "/home/user"));
        }
        fake_unlock(driver);
    }
    fake_end(driver, FAKE_CONTEXT_CREATE);
    return r;
}

static int context_list(void *self, const struct wr_call *call, struct wr_value **ret,
                        struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;

    int r = fake_begin(self, FAKE_CONTEXT_LIST, call, NULL, err);
    if (r == 0) {
        r = fake_sandbox_of(self, call, &sandbox, err);
        if (r == 0)
            *ret = wr_value_of_json(json_deep_copy(sandbox->contexts));
        fake_unlock(self);
    }
    fake_end(self, FAKE_CONTEXT_LIST);
    return r;
}

static int on_context(struct fake_driver *driver, enum fake_op op, const struct wr_call *call,
                      const char *id, struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;
    size_t index = 0;

    int r = fake_begin(driver, op, call, id, err);
    if (r == 0) {
        r = fake_sandbox_of(driver, call, &sandbox, err);
        if (r == 0 && !has_context(sandbox, id, &index))
            r = no_context(id, err);
        if (r == 0 && op == FAKE_CONTEXT_REMOVE)
            json_array_remove(sandbox->contexts, index);
        fake_unlock(driver);
    }
    fake_end(driver, op);
    return r;
}

static int context_restart(void *self, const struct wr_call *call, const char *id,
                           struct wr_error *err)
{
    return on_context(self, FAKE_CONTEXT_RESTART, call, id, err);
}

static int context_remove(void *self, const struct wr_call *call, const char *id,
                          struct wr_error *err)
{
    return on_context(self, FAKE_CONTEXT_REMOVE, call, id, err);
}

/* ---- programs ---- */

static int program_run(void *self, const struct wr_call *call, const struct wr_program_opts *opts,
                       struct wr_value **ret, struct wr_error *err)
{
    struct fake_driver *driver = self;
    struct fake_sandbox *sandbox = NULL;
    fake_program_fn fn = NULL;
    void *data = NULL;

    int r =
        fake_begin(driver, FAKE_PROGRAM, call, opts->command ? opts->command : opts->argv[0], err);
    if (r == 0) {
        r = fake_sandbox_of(driver, call, &sandbox, err);
        fn = driver->on_program;
        data = driver->program_data;
        fake_unlock(driver);
    }
    if (r == 0 && fn)
        r = fn(driver, call, opts, data, ret, err);
    else if (r == 0)
        *ret = fake_program_result(0, NULL, NULL);
    fake_end(driver, FAKE_PROGRAM);
    return r;
}

/* A program has run when its start returns; what is left is to hear how it ended. */
static int program_start(void *self, const struct wr_call *call, const struct wr_program_opts *opts,
                         void **ret_program, struct wr_error *err)
{
    struct wr_value *result = NULL;

    int r = program_run(self, call, opts, &result, err);
    if (r < 0)
        return r;
    struct fake_program *program = wr_calloc(1, sizeof *program);
    if (!program)
        abort();
    *program = (struct fake_program){self, wr_value_json(result)};
    *ret_program = program;
    return 0;
}

static int program_wait(void *program, const struct wr_wait *wait, struct wr_value **ret,
                        struct wr_error *err)
{
    const struct fake_program *its = program;

    (void)wait;
    (void)err;
    *ret = wr_value_of_json(json_incref(its->result));
    return 0;
}

static int ended(struct wr_error *err)
{
    return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "the program has ended");
}

static int program_write(void *program, const void *bytes, size_t len, const struct wr_wait *wait,
                         struct wr_error *err)
{
    (void)program;
    (void)bytes;
    (void)len;
    (void)wait;
    return ended(err);
}

static int program_close_input(void *program, const struct wr_wait *wait, struct wr_error *err)
{
    (void)program;
    (void)wait;
    (void)err;
    return 0;
}

static int program_resize(void *program, uint16_t cols, uint16_t rows, const struct wr_wait *wait,
                          struct wr_error *err)
{
    (void)program;
    (void)cols;
    (void)rows;
    (void)wait;
    return ended(err);
}

static int program_signal(void *program, int signo, const struct wr_wait *wait,
                          struct wr_error *err)
{
    (void)program;
    (void)signo;
    (void)wait;
    (void)err;
    return 0;
}

static uint32_t program_pid(const void *program)
{
    (void)program;
    return 4711;
}

static void program_free(void *program)
{
    struct fake_program *its = program;

    json_decref(its->result);
    free(its);
}

static int program_list(void *self, const struct wr_call *call, struct wr_value **ret,
                        struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;

    int r = fake_begin(self, FAKE_PROGRAM_LIST, call, NULL, err);
    if (r == 0) {
        r = fake_sandbox_of(self, call, &sandbox, err);
        if (r == 0)
            *ret = wr_value_of_json(json_array());
        fake_unlock(self);
    }
    fake_end(self, FAKE_PROGRAM_LIST);
    return r;
}

void fake_driver_ops_inside(struct wr_driver_ops *ops)
{
    ops->code_run = code_run;
    ops->context_create = context_create;
    ops->context_list = context_list;
    ops->context_restart = context_restart;
    ops->context_remove = context_remove;
    ops->program_run = program_run;
    ops->program_start = program_start;
    ops->program_wait = program_wait;
    ops->program_write = program_write;
    ops->program_close_input = program_close_input;
    ops->program_resize = program_resize;
    ops->program_signal = program_signal;
    ops->program_pid = program_pid;
    ops->program_free = program_free;
    ops->program_list = program_list;
}
