/*
 * Runs what a JSON object on standard input says, as an application would, and prints what came of
 * it. The server comes from the environment.
 *
 *     {"kind": "executor" or "tester", "options": {...}, "sandbox": {...}, "cache": true,
 *      "refine": [code of each attempt], "workflow": {...}, "parallel": true, "inputs": [...]}
 *
 * -> {"results": [{"result": ...} or {"error": {"code", "class", "message"}}], "records": [...],
 *     "metrics": text, "events": text}
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

#define MAX_INPUT  (32u * 1024 * 1024)
#define MAX_INPUTS 64

static struct wr_error err;

/* ---- what is made ---- */

static struct wr_primitive *make_executor(const struct wr_value *options,
                                          const struct wr_supply_opts *supply)
{
    const char *mode = wr_value_string(options, "mode");
    /* A value of its own: the executor holds it. */
    char *env_text =
        wr_value_get(options, "env") ? wr_value_text(wr_value_get(options, "env")) : NULL;
    struct wr_value *env = NULL;

    if (env_text && wr_value_parse(env_text, strlen(env_text), &env, &err) < 0)
        die("env", &err);
    wr_free(env_text);
    struct wr_primitive *made =
        wr_executor_new(NULL,
                        WR_OPTS(wr_executor_opts,
                                .mode = strcmp(mode, "session") == 0  ? WR_SESSION
                                        : strcmp(mode, "pooled") == 0 ? WR_POOLED
                                                                      : WR_EPHEMERAL,
                                .supply_opts = supply,
                                .timeout_ms = (uint64_t)wr_value_int(options, "timeout_ms", 0),
                                .max_output = (size_t)wr_value_int(options, "max_output", 0),
                                .no_install = wr_value_bool(options, "no_install", false),
                                .language = text_or_null(options, "language"), .env = env,
                                .ledger_path = text_or_null(options, "ledger_path")),
                        &err);
    wr_value_free(env);
    return made;
}

static struct wr_primitive *make_tester(const struct wr_value *options,
                                        const struct wr_supply_opts *supply)
{
    return wr_tester_new(
        NULL,
        WR_OPTS(wr_tester_opts, .supply_opts = supply,
                .max_concurrent = (unsigned)wr_value_int(options, "max_concurrent", 0),
                .case_timeout_ms = (uint64_t)wr_value_int(options, "case_timeout_ms", 0),
                .project_timeout_ms = (uint64_t)wr_value_int(options, "project_timeout_ms", 0),
                .max_output = (size_t)wr_value_int(options, "max_output", 0)),
        &err);
}

/* The generator of the refinement: the code of each attempt, as the script has it. */
static int generate(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                    struct wr_value **ret, struct wr_error *error)
{
    const struct wr_value *code = wr_value_at(self, (size_t)wr_value_int(input, "attempt", 1) - 1);
    struct wr_value *made = wr_value_object();

    (void)workflow;
    *ret = made;
    return wr_value_set(made, "code", wr_value_of_string(wr_value_string(code, NULL)), error);
}

static struct wr_primitive *make(const struct wr_value *script)
{
    static const struct wr_primitive_ops generator = {.struct_size = sizeof generator,
                                                      .execute = generate};
    const struct wr_value *options = wr_value_get(script, "options");
    const struct wr_value *sandbox = wr_value_get(script, "sandbox");
    const struct wr_value *codes = wr_value_get(script, "refine");
    const char *envs[8];
    size_t env_count = 0;
    for (; env_count < wr_value_count(wr_value_get(sandbox, "envs")) && env_count < 8; env_count++)
        envs[env_count] =
            wr_value_string(wr_value_at(wr_value_get(sandbox, "envs"), env_count), NULL);
    const struct wr_sandbox_opts box = {
        .struct_size = sizeof box,
        .envs = envs,
        .env_count = env_count,
        .template_name = text_or_null(sandbox, "template"),
        .no_internet = wr_value_bool(sandbox, "no_internet", false),
    };
    const struct wr_supply_opts supply = {
        .struct_size = sizeof supply,
        .sandbox = &box,
        .size = (unsigned)wr_value_int(script, "pool_size", 2),
    };
    struct wr_primitive *made = strcmp(wr_value_string(script, "kind"), "tester") == 0
                                    ? make_tester(options, &supply)
                                    : make_executor(options, &supply);

    if (wr_value_bool(script, "cache", false))
        made = wr_cache_new(made, NULL, &err);
    if (codes)
        made =
            wr_refine_new(wr_primitive_new("Generator", &generator, (void *)(uintptr_t)codes, &err),
                          made, WR_OPTS(wr_refine_opts, .max_attempts = 3), &err);
    if (!made)
        die("primitive", &err);
    return made;
}

/* ---- what is run ---- */

struct run {
    struct wr_primitive *primitive;
    const struct wr_value *input;
    struct wr_workflow *workflow;
    struct wr_value *ret;
};

static void *execute(void *data)
{
    struct run *run = data;
    struct wr_error why = {0};
    struct wr_value *result = NULL, *failed = NULL;

    run->ret = wr_value_object();
    int r = wr_primitive_execute(run->primitive, run->input, run->workflow, &result, &why);
    if (r == 0) {
        set(run->ret, "result", result);
        return NULL;
    }
    failed = wr_value_object();
    set(failed, "code", wr_value_of_string(wr_code_name((enum wr_code)why.code)));
    set(failed, "class", wr_value_of_string(wr_error_class_name(wr_error_classify(&why))));
    set(failed, "message", wr_value_of_string(why.msg));
    set(run->ret, "error", failed);
    return NULL;
}

static struct wr_value *run_all(struct wr_primitive *primitive, const struct wr_value *script,
                                struct wr_workflow *workflow)
{
    static struct run runs[MAX_INPUTS];
    pthread_t threads[MAX_INPUTS];
    const struct wr_value *inputs = wr_value_get(script, "inputs");
    size_t count = wr_value_count(inputs);
    bool parallel = wr_value_bool(script, "parallel", false);
    struct wr_value *results = wr_value_array();

    for (size_t i = 0; i < count && i < MAX_INPUTS; i++) {
        runs[i] = (struct run){primitive, wr_value_at(inputs, i), workflow, NULL};
        if (!parallel)
            (void)execute(&runs[i]);
        else if (pthread_create(&threads[i], NULL, execute, &runs[i]) != 0)
            die("thread", &err);
    }
    for (size_t i = 0; i < count && i < MAX_INPUTS; i++) {
        if (parallel)
            (void)pthread_join(threads[i], NULL);
        set(results, NULL, runs[i].ret);
    }
    return results;
}

/* ---- what is heard ---- */

struct heard {
    pthread_mutex_t lock;
    struct wr_value *records;
    char events[4096];
};

static void on_log(const struct wr_value *record, void *data)
{
    struct heard *heard = data;
    char *text = wr_value_text(record);
    struct wr_value *copy = NULL;

    (void)pthread_mutex_lock(&heard->lock);
    if (text && wr_value_parse(text, strlen(text), &copy, &err) == 0)
        set(heard->records, NULL, copy);
    (void)pthread_mutex_unlock(&heard->lock);
    wr_free(text);
}

static int on_event(const struct wr_code_event *event, void *data)
{
    struct heard *heard = data;

    (void)pthread_mutex_lock(&heard->lock);
    size_t len = strlen(heard->events);
    if (event->kind == WR_CODE_STDOUT && event->text_len < sizeof heard->events - len - 1)
        memcpy(heard->events + len, event->text, event->text_len);
    (void)pthread_mutex_unlock(&heard->lock);
    return 0;
}

int main(void)
{
    struct heard heard = {.lock = PTHREAD_MUTEX_INITIALIZER, .records = wr_value_array()};
    struct wr_value *script = read_script(), *output = wr_value_object();
    const struct wr_value *named = wr_value_get(script, "workflow");
    struct wr_telemetry *telemetry = wr_telemetry_new(
        WR_OPTS(wr_telemetry_opts, .otlp_endpoint = "", .on_log = on_log, .on_log_data = &heard),
        &err);
    if (!telemetry)
        die("telemetry", &err);
    struct wr_workflow *workflow = wr_workflow_new(
        WR_OPTS(wr_workflow_opts, .correlation_id = text_or_null(named, "correlation_id"),
                .traceparent = text_or_null(named, "traceparent"),
                .tracestate = text_or_null(named, "tracestate"),
                .timeout_ms = (uint64_t)wr_value_int(named, "timeout_ms", 0),
                .telemetry = telemetry, .on_event = on_event, .on_event_data = &heard),
        &err);
    if (!workflow)
        die("workflow", &err);
    struct wr_primitive *primitive = make(script);

    set(output, "results", run_all(primitive, script, workflow));
    wr_primitive_free(primitive);
    wr_workflow_free(workflow);
    char *metrics = wr_telemetry_prometheus(telemetry);
    set(output, "metrics", wr_value_of_string(metrics ? metrics : ""));
    wr_free(metrics);
    wr_telemetry_free(telemetry);
    set(output, "records", heard.records);
    set(output, "events", wr_value_of_string(heard.events));
    char *text = wr_value_text(output);
    puts(text ? text : "");
    wr_free(text);
    wr_value_free(output);
    wr_value_free(script);
    return 0;
}
