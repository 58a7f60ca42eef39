#include "warren/executor.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/options.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "primitives/execute/execution_env.h"
#include "primitives/execute/execution_input.h"
#include "primitives/execute/execution_record.h"
#include "primitives/execute/execution_run.h"
#include "primitives/execute/install.h"
#include "primitives/execute/supply.h"
#include "primitives/execute/turn.h"
#include "primitives/observe/metrics.h"
#include "warren/ledger.h"

#define DEFAULT_TIMEOUT_MS ((uint64_t)30000)
#define DEFAULT_INSTALL_MS ((uint64_t)120000)
#define DEFAULT_OUTPUT     ((size_t)10000)
#define MAX_OUTPUT         (16 * WR_MIB) /* characters */
#define DEFAULT_LANGUAGE   "python"
#define DEFAULT_TEMPLATE   "code-interpreter-v1"
/* What an execution may take of a sandbox that is there already before it is asked to live longer.
 */
#define SURE_LIFE_MS       ((uint64_t)120000)
#define ACQUIRE_MS         ((uint64_t)120000) /* for getting a sandbox, when the workflow has no time */

struct executor {
    struct wr_supply *supply;
    bool keeps;     /* its sandboxes serve more than one execution, whatever happens in one */
    bool ephemeral; /* they are made for as long as one needs them */
    struct wr_turn turn;
    bool no_install;
    uint64_t timeout_ms, install_timeout_ms;
    size_t max_output; /* characters */
    char *language;
    char *template_name; /* NULL: the supply is the caller's, and so not known */
    struct wr_value *env;
    struct wr_ledger *ledger; /* NULL: none */
};

/* One execution. */
struct execution {
    struct executor *executor;
    struct wr_workflow *workflow;
    struct wr_execution_input input;
    struct wr_execution_env env;
    struct wr_lease lease;
    struct wr_output_lines lines;
    enum wr_lease_end end;
    uint64_t leased_us;
    struct wr_execution_record record;
};

static double ms_since(uint64_t start_us)
{
    return (double)(wr_mono_us() - start_us) / 1e3;
}

/* ---- the sandbox ---- */

static struct wr_execution_run run_of(const struct execution *x)
{
    return (struct wr_execution_run){
        .sandbox = x->lease.sandbox,
        .code = x->input.code,
        .language = x->record.language,
        .envs = (const char *const *)x->env.items,
        .env_count = x->env.count,
        .timeout_ms = x->record.timeout_ms,
        /* A character has up to four bytes, and one more says that there were more. */
        .max_output_bytes = ((uint64_t)x->executor->max_output + 1) * 4,
        .keeps = x->executor->keeps,
    };
}

static uint64_t need_ms_of(const struct execution *x)
{
    return x->record.timeout_ms +
           (x->input.package_count > 0 ? x->executor->install_timeout_ms : 0);
}

/* A sandbox must not end in the middle of what it was asked to do. Connecting to it makes it live
 * so much longer, and never shorter. */
static int extend_life(const struct execution *x, struct wr_error *err)
{
    uint64_t need_ms = need_ms_of(x);
    struct wr_sandbox *handle = NULL;

    if (x->executor->ephemeral || need_ms <= SURE_LIFE_MS)
        return 0;
    const struct wr_wait wait = wr_workflow_wait(x->workflow, 0);
    int r = wr_sandbox_connect(wr_sandbox_client(x->lease.sandbox), x->record.sandbox_id,
                               (need_ms + SURE_LIFE_MS) / 1000, &wait, &handle, err);
    wr_sandbox_free(handle);
    return r;
}

static int fill_sandbox(const struct execution *x, struct wr_error *err)
{
    const struct wr_wait wait = wr_workflow_wait(x->workflow, 0);
    int r = extend_life(x, err);

    if (r == 0 && x->input.file_count > 0) {
        r = wr_files_write_all(x->lease.sandbox, x->input.files, x->input.file_count, NULL, &wait,
                               err);
        r = r < 0 ? wr_wrap(err, "files") : 0;
    }
    if (r < 0)
        return wr_execution_service_error(x->workflow, err);
    const struct wr_install install = {
        .sandbox = x->lease.sandbox,
        .packages = x->input.packages,
        .count = x->input.package_count,
        .envs = (const char *const *)x->env.items,
        .env_count = x->env.count,
        .timeout_ms = x->executor->install_timeout_ms,
    };
    return wr_install_packages(&install, x->workflow, err);
}

static int get_sandbox(struct execution *x, struct wr_error *err)
{
    /* A sandbox that is made for this lives as long as the workflow that asks for it may take. */
    wr_auto_workflow *scope = wr_workflow_scope(
        x->workflow, &(struct wr_scope_opts){.timeout_ms = ACQUIRE_MS + need_ms_of(x)}, err);

    if (!scope)
        return -err->code;
    if (wr_supply_acquire(x->executor->supply, scope, &x->lease, err) < 0)
        return wr_execution_service_error(x->workflow, err);
    x->record.leased = true;
    x->leased_us = wr_mono_us();
    x->record.fresh = x->lease.fresh;
    x->record.create_ms = x->lease.init_ms;
    (void)!wr_strcopy(x->record.sandbox_id, sizeof x->record.sandbox_id,
                      wr_sandbox_id(x->lease.sandbox));
    (void)!wr_strcopy(x->record.backend, sizeof x->record.backend,
                      wr_client_name(wr_sandbox_client(x->lease.sandbox)));
    return 0;
}

static int prepare(struct execution *x, struct wr_error *err)
{
    uint64_t start_us = wr_mono_us();
    struct wr_span *span = wr_span_begin(x->workflow, "code_execution.sandbox_init");

    int r = get_sandbox(x, err);
    if (r == 0) {
        wr_span_set_string(span, "sandbox_id", x->record.sandbox_id);
        wr_span_set_bool(span, "fresh", x->record.fresh);
        r = fill_sandbox(x, err);
        if (r < 0) {
            const struct wr_execution_run run = run_of(x);
            x->end = wr_execution_lease_end(&run, err);
            r = -err->code;
        }
    }
    x->record.sandbox_ms = ms_since(start_us);
    wr_span_set_double(span, "sandbox_ms", x->record.sandbox_ms);
    wr_span_end(span, r < 0 ? err : NULL);
    return r;
}

static void give_back(struct execution *x)
{
    if (!x->record.leased)
        return;
    x->record.held_ms = ms_since(x->leased_us);
    wr_supply_release(x->executor->supply, &x->lease, x->end);
}

/* ---- one execution ---- */

static int read_input(struct execution *x, const struct wr_value *input, struct wr_error *err)
{
    const struct executor *executor = x->executor;

    int r = wr_execution_input_read(wr_value_json(input), &x->input, err);
    if (r < 0)
        return r;
    if (x->input.package_count > 0 && executor->no_install)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "install: this executor does not install packages (no_install)");
    x->record.code_length = x->input.code_length;
    x->record.file_count = x->input.file_count;
    if (x->input.language)
        x->record.language = x->input.language;
    if (x->input.timeout_ms)
        x->record.timeout_ms = x->input.timeout_ms;
    return 0;
}

static int run_and_tell(struct execution *x, struct wr_value **ret, struct wr_error *err)
{
    const struct wr_execution_run run = run_of(x);
    wr_auto_json *result = NULL;

    int r = wr_output_lines_init(&x->lines, x->executor->max_output * 4, err);
    if (r < 0)
        return r;
    uint64_t start_us = wr_mono_us();
    r = wr_execution_run(&run, x->workflow, &x->lines, &result, &x->end, err);
    x->record.ran = true;
    x->record.run_ms = ms_since(start_us); /* for those that have no end of their own */
    if (r < 0)
        return r;
    x->record.run_ms = json_number_value(json_object_get(result, "time_ms"));
    x->record.succeeded = wr_execution_succeeded(result);
    json_t *made = wr_execution_result(&(struct wr_execution_facts){
        .run = result,
        .lines = &x->lines,
        .max_output = x->executor->max_output,
        .sandbox_ms = x->record.sandbox_ms,
        .sandbox_id = x->record.sandbox_id,
        .language = x->record.language,
    });
    if (!made)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "the result of the code");
    *ret = wr_value_of_json(made);
    return 0;
}

static int take_turn_and_run(struct execution *x, struct wr_value **ret, struct wr_error *err)
{
    int r = wr_turn_take(&x->executor->turn, x->workflow, err);

    if (r < 0)
        return r;
    r = prepare(x, err);
    if (r == 0)
        r = run_and_tell(x, ret, err);
    give_back(x);
    wr_turn_give(&x->executor->turn);
    return r;
}

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct executor *executor = self;
    struct wr_telemetry *telemetry = wr_workflow_telemetry(workflow);
    struct execution x = {
        .executor = executor,
        .workflow = workflow,
        .record = {.language = executor->language,
                   .template_name = executor->template_name ? executor->template_name : "",
                   .timeout_ms = executor->timeout_ms},
    };

    wr_metric_add(telemetry, WR_METRIC_ACTIVE, NULL, 1);
    int r = read_input(&x, input, err);
    if (r == 0)
        r = wr_execution_env_make(
            &(struct wr_execution_env_opts){
                .always = wr_value_json(executor->env),
                .own = x.input.env,
                .no_install = executor->no_install,
            },
            workflow, &x.env, err);
    if (r == 0)
        r = take_turn_and_run(&x, ret, err);
    wr_execution_record_tell(&x.record, workflow, executor->ledger, r < 0 ? err : NULL);
    wr_metric_add(telemetry, WR_METRIC_ACTIVE, NULL, -1);
    wr_output_lines_done(&x.lines);
    wr_execution_env_done(&x.env);
    wr_execution_input_done(&x.input);
    return r;
}

/* ---- the primitive ---- */

static struct wr_value *stats(void *self)
{
    const struct executor *executor = self;

    return wr_supply_stats(executor->supply);
}

static void executor_free(void *self)
{
    struct executor *executor = self;

    if (!executor)
        return;
    wr_turn_done(&executor->turn);
    wr_supply_free(executor->supply);
    wr_ledger_free(executor->ledger);
    wr_value_free(executor->env);
    free(executor->language);
    free(executor->template_name);
    free(executor);
}

static int read_opts(const struct wr_executor_opts *given, struct wr_executor_opts *ret,
                     struct wr_error *err)
{
    int r = wr_options_read(given, ret, sizeof *ret, "wr_executor_opts", err);

    if (r < 0)
        return r;
    if (ret->mode > WR_POOLED)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "mode %d: there is no such mode",
                       (int)ret->mode);
    if (ret->max_output > MAX_OUTPUT)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "max_output: more than %zu characters",
                       (size_t)MAX_OUTPUT);
    if (ret->language) {
        wr_auto_json *language = json_string(ret->language);
        r = wr_execution_check_language(language, "language", err);
    }
    if (r == 0 && ret->env)
        r = wr_execution_check_env(wr_value_json(ret->env), "env", err);
    return r;
}

static struct wr_supply *make_supply(struct wr_client *client, const struct wr_executor_opts *opts,
                                     struct wr_error *err)
{
    static struct wr_supply *(*const make[])(struct wr_client *, const struct wr_supply_opts *,
                                             struct wr_error *) = {
        [WR_EPHEMERAL] = wr_supply_ephemeral,
        [WR_SESSION] = wr_supply_session,
        [WR_POOLED] = wr_supply_pool,
    };

    return opts->supply ? wr_supply_ref(opts->supply)
                        : make[opts->mode](client, opts->supply_opts, err);
}

static bool is_of_kind(struct wr_supply *supply, const char *kind)
{
    wr_auto_value *facts = wr_supply_stats(supply);

    return wr_streq(wr_value_string(facts, "kind"), kind);
}

static int fill(struct executor *executor, struct wr_client *client,
                const struct wr_executor_opts *opts, struct wr_error *err)
{
    const struct wr_sandbox_opts *sandbox = opts->supply_opts ? opts->supply_opts->sandbox : NULL;
    const char *template_name =
        sandbox && sandbox->template_name ? sandbox->template_name : DEFAULT_TEMPLATE;

    executor->turn.fd = -1;
    executor->no_install = opts->no_install;
    executor->timeout_ms = opts->timeout_ms ? opts->timeout_ms : DEFAULT_TIMEOUT_MS;
    executor->install_timeout_ms =
        opts->install_timeout_ms ? opts->install_timeout_ms : DEFAULT_INSTALL_MS;
    executor->max_output = opts->max_output ? opts->max_output : DEFAULT_OUTPUT;
    executor->env = wr_value_ref(opts->env);
    executor->language = wr_strdup(opts->language ? opts->language : DEFAULT_LANGUAGE);
    if (!opts->supply)
        executor->template_name = wr_strdup(template_name);
    if (!executor->language || (!opts->supply && !executor->template_name))
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "executor");
    if (opts->ledger_path) {
        executor->ledger = wr_ledger_open(opts->ledger_path, err);
        if (!executor->ledger)
            return -err->code;
    }
    executor->supply = make_supply(client, opts, err);
    if (!executor->supply)
        return -err->code;
    executor->keeps = is_of_kind(executor->supply, "session");
    executor->ephemeral = is_of_kind(executor->supply, "ephemeral");
    return executor->keeps ? wr_turn_init(&executor->turn, err) : 0;
}

/* What decides results besides their input: how long code may run, what is kept of its output, and
 * where it runs. */
static int write_scope(const struct executor *executor, char ret[static WR_PRIMITIVE_SCOPE_MAX],
                       struct wr_error *err)
{
    wr_auto_json *what =
        json_pack("{s:s, s:I, s:I, s:b, s:O*, s:s}", "language", executor->language, "timeout_ms",
                  (json_int_t)executor->timeout_ms, "max_output", (json_int_t)executor->max_output,
                  "no_install", executor->no_install, "env", wr_value_json(executor->env), "supply",
                  wr_supply_scope(executor->supply));
    char *text = what ? wr_value_text(wr_value_of_json(what)) : NULL;

    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "executor");
    wr_primitive_scope_of(text, NULL, 0, ret);
    explicit_bzero(text, strlen(text)); /* the environment may hold secrets */
    wr_free(text);
    return 0;
}

struct wr_primitive *wr_executor_new(struct wr_client *client, const struct wr_executor_opts *opts,
                                     struct wr_error *err)
{
    static const struct wr_primitive_ops ops = {
        .struct_size = sizeof ops,
        .execute = execute,
        .stats = stats,
        .free = executor_free,
    };
    struct wr_executor_opts own;
    struct wr_primitive *primitive = NULL;
    char scope[WR_PRIMITIVE_SCOPE_MAX];

    if (read_opts(opts, &own, err) < 0)
        return NULL;
    struct executor *executor = wr_calloc(1, sizeof *executor);
    if (!executor)
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "executor");
    else if (fill(executor, client, &own, err) == 0 && write_scope(executor, scope, err) == 0)
        primitive = wr_primitive_make(&(struct wr_primitive_spec){.name = WR_EXECUTION_PRIMITIVE,
                                                                  .span = "code_execution.execute",
                                                                  .ops = &ops,
                                                                  .self = executor,
                                                                  .scope = scope},
                                      err);
    if (!primitive)
        executor_free(executor);
    return primitive;
}

int wr_execute_code(struct wr_primitive *primitive, const char *code, struct wr_workflow *workflow,
                    struct wr_value **ret, struct wr_error *err)
{
    wr_auto_value *input = wr_value_object();

    if (!code || !wr_utf8_valid(code, strlen(code)))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "code: missing, or not UTF-8");
    if (!input)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "input");
    int r = wr_value_set(input, "code", wr_value_of_string(code), err);
    return r < 0 ? r : wr_primitive_execute(primitive, input, workflow, ret, err);
}
