#include "json/jread.h"
#include "primitives/core/traceparent.h"
#include "primitives/execute/execution_env.h"
#include "test.h"

#define PARENT "00-0123456789abcdef0123456789abcdef-00000000000000aa-01"

static struct wr_workflow *workflow_of(const struct wr_workflow_opts *opts)
{
    struct wr_error err = {0};
    struct wr_workflow *workflow = wr_workflow_new(opts, &err);

    CHECK(workflow);
    return workflow;
}

static const char *value_of(const struct wr_execution_env *env, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=')
            return env->items[i] + len + 1;
    return NULL;
}

TEST(the_workflow_is_told)
{
    struct wr_workflow *workflow =
        workflow_of(WR_OPTS(wr_workflow_opts, .correlation_id = "req-\xff", .traceparent = PARENT,
                            .tracestate = "a=b"));
    struct wr_execution_env env = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_execution_env_make(&(struct wr_execution_env_opts){0}, workflow, &env, &err), 0);
    CHECK_INT(env.count, 3);
    CHECK_STR(value_of(&env, "WARREN_CORRELATION_ID"), "req-\xef\xbf\xbd");
    CHECK_STR(value_of(&env, "TRACEPARENT"), PARENT);
    CHECK_STR(value_of(&env, "TRACESTATE"), "a=b");
    wr_execution_env_done(&env);
    wr_execution_env_done(&env);
    wr_workflow_free(workflow);
}

TEST(a_trace_without_spans_has_a_parent_all_the_same)
{
    struct wr_workflow *workflow = workflow_of(NULL);
    struct wr_execution_env env = {0};
    struct wr_traceparent trace;
    struct wr_error err = {0};

    CHECK_INT(wr_execution_env_make(&(struct wr_execution_env_opts){0}, workflow, &env, &err), 0);
    CHECK(wr_traceparent_parse(value_of(&env, "TRACEPARENT"), &trace));
    CHECK(!value_of(&env, "TRACESTATE") && !value_of(&env, "PIP_NO_INDEX"));
    wr_execution_env_done(&env);
    wr_workflow_free(workflow);
}

TEST(who_comes_before_whom)
{
    struct wr_workflow *workflow = workflow_of(WR_OPTS(wr_workflow_opts, .correlation_id = "req",
                                                       .traceparent = PARENT, .tracestate = "a=b"));
    json_t *always = json_pack("{s:s, s:s, s:s, s:s}", "A", "always", "B", "always", "TRACEPARENT",
                               "constant", "TRACESTATE", "constant");
    json_t *own = json_pack("{s:s, s:s, s:s}", "A", "own", "WARREN_CORRELATION_ID", "forged",
                            "PIP_NO_INDEX", "0");
    struct wr_execution_env_opts opts = {.always = always, .own = own, .no_install = true};
    struct wr_execution_env env = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_execution_env_make(&opts, workflow, &env, &err), 0);
    CHECK_STR(value_of(&env, "A"), "own");
    CHECK_STR(value_of(&env, "B"), "always");
    CHECK_STR(value_of(&env, "WARREN_CORRELATION_ID"), "req");
    CHECK_STR(value_of(&env, "TRACEPARENT"), PARENT);
    CHECK_STR(value_of(&env, "TRACESTATE"), "a=b");
    CHECK_STR(value_of(&env, "PIP_NO_INDEX"), "1");
    wr_execution_env_done(&env);

    json_object_set_new(own, "TRACEPARENT", json_string("explicit"));
    CHECK_INT(wr_execution_env_make(&opts, workflow, &env, &err), 0);
    CHECK_STR(value_of(&env, "TRACEPARENT"), "explicit");
    wr_execution_env_done(&env);
    CHECK_STR(json_string_value(json_object_get(always, "A")), "always");
    json_decref(always);
    json_decref(own);
    wr_workflow_free(workflow);
}
