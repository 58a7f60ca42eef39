#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "json/value.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/event.h"
#include "warren/compose.h"

#define NAME         "RefinePrimitive"
#define ATTEMPTS_MAX 100 /* each is a part of the history */

struct refine {
    struct wr_primitive *generator, *executor;
    unsigned max_attempts;
};

/* One execution of the whole. */
struct run {
    const struct refine *refine;
    const struct wr_value *input;
    struct wr_workflow *workflow;
    unsigned attempt;         /* from 1 */
    struct wr_value *history; /* replaced by a longer copy: generators may keep what they got */
};

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "refinement");
}

/* The executor's input out of what the generator gave: an object with code, or the text of it. */
static int take_code(struct wr_value *given, struct wr_value **ret, struct wr_error *err)
{
    if (*wr_value_string(given, "code")) {
        *ret = wr_value_ref(given);
        return 0;
    }
    if (!*wr_value_string(given, NULL))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the generator gave neither text nor an object with code");
    wr_auto_value *input = wr_value_object();
    int r = wr_value_set(input, "code", wr_value_ref(given), err);
    if (r == 0)
        *ret = wr_steal_ptr(&input);
    return r;
}

static int generate(const struct run *run, struct wr_value **ret, struct wr_error *err)
{
    wr_auto_value *ask = wr_value_object();
    wr_auto_value *given = NULL;

    int r = wr_value_set(ask, "input", wr_value_ref((struct wr_value *)(uintptr_t)run->input), err);
    if (r == 0)
        r = wr_value_set(ask, "attempt", wr_value_of_int(run->attempt), err);
    if (r == 0)
        r = wr_value_set(ask, "history", wr_value_ref(run->history), err);
    if (r == 0)
        r = wr_primitive_execute(run->refine->generator, ask, run->workflow, &given, err);
    return r < 0 ? r : take_code(given, ret, err);
}

/* Code that ran too long is code that has to be better, as long as there is time left. */
static bool is_feedback(const struct run *run, int r, const struct wr_error *failure)
{
    struct wr_error ignored = {0};

    return r < 0 && wr_error_classify(failure) == WR_CLASS_TIMEOUT &&
           wr_workflow_check(run->workflow, &ignored) == 0;
}

static int add_history(struct run *run, const struct wr_value *code, const char *error,
                       struct wr_error *err)
{
    json_t *longer = json_copy(wr_value_json(run->history));
    json_t *entry = json_pack("{s:i, s:O, s:o}", "attempt", (int)run->attempt, "code",
                              wr_value_json(wr_value_get(code, "code")), "error",
                              wr_value_json(wr_value_of_bytes(error, strlen(error))));

    if (!longer || json_array_append_new(longer, entry) < 0) {
        json_decref(longer);
        return no_memory(err);
    }
    wr_value_free(run->history);
    run->history = wr_value_of_json(longer);
    wr_telemetry_log(run->workflow, "info", "refine_attempt_failed", NAME,
                     json_pack("{s:i, s:O}", "attempt", (int)run->attempt, "error",
                               json_object_get(entry, "error")));
    return wr_workflow_set(run->workflow, "refine_history", wr_value_ref(run->history), err);
}

static int finish(const struct run *run, const struct wr_value *code, const struct wr_value *result,
                  struct wr_value **ret, struct wr_error *err)
{
    wr_auto_value *output = wr_value_of_json(json_copy(wr_value_json(result)));

    int r = output ? 0 : no_memory(err);
    if (r == 0)
        r = wr_value_set(output, "code",
                         wr_value_ref((struct wr_value *)(uintptr_t)wr_value_get(code, "code")),
                         err);
    if (r == 0)
        r = wr_value_set(output, "attempts", wr_value_of_int(run->attempt), err);
    if (r == 0)
        r = wr_value_set(output, "history", wr_value_ref(run->history), err);
    if (r == 0)
        *ret = wr_steal_ptr(&output);
    return r;
}

/* 0: *ret is the output; 1: the code failed, and the history has it; or an error. */
static int attempt(struct run *run, struct wr_value **ret, struct wr_error *err)
{
    wr_auto_value *code = NULL;
    wr_auto_value *result = NULL;
    struct wr_error failure = {0};

    int r = generate(run, &code, err);
    if (r < 0)
        return r;
    r = wr_primitive_execute(run->refine->executor, code, run->workflow, &result, &failure);
    bool timed_out = is_feedback(run, r, &failure);
    if (r < 0 && !timed_out) {
        *err = failure;
        return r;
    }
    if (r == 0 && wr_value_bool(result, "success", false))
        return finish(run, code, result, ret, err);
    char text[sizeof failure.msg + sizeof "TimeoutError: "];
    (void)snprintf(text, sizeof text, "TimeoutError: %s", failure.msg);
    r = add_history(run, code, timed_out ? text : wr_value_string(result, "error"), err);
    return r < 0 ? r : 1;
}

static int attempt_in_span(struct run *run, struct wr_value **ret, struct wr_error *err)
{
    char name[48];

    (void)snprintf(name, sizeof name, "refine.attempt_%u", run->attempt);
    wr_workflow_checkpoint(run->workflow, name);
    struct wr_span *span = wr_span_begin(run->workflow, name);
    wr_span_set_int(span, "refine.attempt", run->attempt);
    wr_span_set_int(span, "refine.max_attempts", run->refine->max_attempts);
    int r = attempt(run, ret, err);
    wr_span_set_string(span, "refine.status", r == 0 ? "success" : "error");
    wr_span_end(span, r < 0 ? err : NULL);
    return r;
}

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    const struct refine *refine = self;
    struct run run = {.refine = refine, .input = input, .workflow = workflow};
    int r = 1;

    run.history = wr_value_array();
    if (!run.history)
        return no_memory(err);
    while (r > 0 && run.attempt < refine->max_attempts) {
        run.attempt++;
        r = attempt_in_span(&run, ret, err);
    }
    if (r > 0) {
        const struct wr_value *last = wr_value_at(run.history, run.attempt - 1);
        r = wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                    "the code still failed at attempt %u; its last error: %.160s", run.attempt,
                    wr_value_string(last, "error"));
    }
    wr_value_free(run.history);
    return r;
}

static void refine_free(void *self)
{
    struct refine *refine = self;

    wr_primitive_free(refine->generator);
    wr_primitive_free(refine->executor);
    free(refine);
}

static const struct wr_primitive_ops refine_ops = {
    .struct_size = sizeof refine_ops, .execute = execute, .free = refine_free};

struct wr_primitive *wr_refine_new(struct wr_primitive *generator, struct wr_primitive *executor,
                                   const struct wr_refine_opts *given, struct wr_error *err)
{
    wr_auto_primitive *held_generator = generator;
    wr_auto_primitive *held_executor = executor;
    struct wr_refine_opts opts;
    char scope[WR_PRIMITIVE_SCOPE_MAX];

    if (!generator || !executor ||
        wr_options_read(given, &opts, sizeof opts, "wr_refine_opts", err) < 0)
        return NULL;
    if (opts.max_attempts > ATTEMPTS_MAX) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "max_attempts: %u is above %d",
                      opts.max_attempts, ATTEMPTS_MAX);
        return NULL;
    }
    wr_auto_free struct refine *refine = wr_calloc(1, sizeof *refine);
    if (!refine) {
        (void)no_memory(err);
        return NULL;
    }
    refine->max_attempts = opts.max_attempts ? opts.max_attempts : 3;
    wr_primitive_scope_of(NAME, (struct wr_primitive *const[]){generator, executor}, 2, scope);
    struct wr_primitive *primitive = wr_primitive_make(
        &(struct wr_primitive_spec){
            .name = NAME, .ops = &refine_ops, .self = refine, .scope = scope},
        err);
    if (!primitive)
        return NULL;
    refine->generator = wr_steal_ptr(&held_generator);
    refine->executor = wr_steal_ptr(&held_executor);
    wr_steal_ptr(&refine);
    return primitive;
}
