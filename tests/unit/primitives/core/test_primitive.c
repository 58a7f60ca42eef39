#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "test.h"

struct echo {
    int executions, freed;
    const struct wr_workflow *seen;
};

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct echo *echo = self;
    echo->executions++;
    echo->seen = workflow;
    if (wr_value_bool(input, "fail", false)) {
        err->code = WR_E_UNAVAILABLE;
        return -WR_E_UNAVAILABLE;
    }
    *ret = wr_value_object();
    return wr_value_set(*ret, "id", wr_value_of_string(wr_workflow_id(workflow)), err);
}

static struct wr_value *stats(void *self)
{
    struct wr_error err = {0};
    struct wr_value *value = wr_value_object();
    CHECK_INT(wr_value_set(value, "n", wr_value_of_int(((struct echo *)self)->executions), &err),
              0);
    return value;
}

static void release(void *self)
{
    ((struct echo *)self)->freed++;
}

static const struct wr_primitive_ops ops = {sizeof ops, execute, stats, release};
static const struct wr_primitive_ops bare = {.struct_size = sizeof bare, .execute = execute};
static const struct wr_primitive_ops none = {.struct_size = sizeof none};

TEST(holders_are_counted)
{
    struct echo echo = {0};
    struct wr_error err = {0};
    struct wr_primitive *p = wr_primitive_new("Echo", &ops, &echo, &err);
    CHECK_STR(wr_primitive_name(p), "Echo");
    CHECK(wr_primitive_ref(p) == p);
    CHECK(!wr_primitive_free(p));
    CHECK_INT(echo.freed, 0);
    CHECK(!wr_primitive_free(p));
    CHECK_INT(echo.freed, 1);
    CHECK(!wr_primitive_free(NULL) && !wr_primitive_ref(NULL));
}

TEST(bad_ones_are_refused_and_self_stays)
{
    struct echo echo = {0};
    struct wr_error err = {0};
    char name[65];
    memset(name, 'n', 64);
    name[64] = '\0';
    CHECK(!wr_primitive_new("x", NULL, &echo, &err));
    CHECK(!wr_primitive_new("x", &none, &echo, &err));
    CHECK(!wr_primitive_new("", &ops, &echo, &err));
    CHECK(!wr_primitive_new(name, &ops, &echo, &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    CHECK_INT(echo.freed, 0);
    name[63] = '\0';
    struct wr_primitive *p = wr_primitive_new(name, &ops, &echo, &err);
    CHECK_STR(wr_primitive_name(p), name);
    wr_primitive_free(p);
}

TEST(executes_in_a_workflow)
{
    struct echo echo = {0};
    struct wr_error err = {0};
    struct wr_primitive *p = wr_primitive_new("Echo", &ops, &echo, &err);
    struct wr_value *input = wr_value_object(), *output = NULL;
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .workflow_id = "mine"), &err);
    CHECK_INT(wr_primitive_execute(p, input, workflow, &output, &err), 0);
    CHECK_STR(wr_value_string(output, "id"), "mine");
    CHECK(echo.seen != workflow); /* a scope of its own */
    output = wr_value_free(output);
    CHECK_INT(wr_primitive_execute(p, input, NULL, &output, &err), 0);
    CHECK_INT(strlen(wr_value_string(output, "id")), 36);
    wr_value_free(output);
    struct wr_value *figures = wr_primitive_stats(p);
    CHECK_INT(wr_value_int(figures, "n", 0), 2);
    wr_value_free(figures);
    wr_workflow_cancel(workflow);
    output = NULL;
    CHECK_INT(wr_primitive_execute(p, input, workflow, &output, &err), -WR_E_CANCELED);
    CHECK(!output);
    CHECK_INT(echo.executions, 2);
    CHECK_INT(wr_value_set(input, "fail", wr_value_of_bool(true), &err), 0);
    CHECK_INT(wr_primitive_execute(p, input, NULL, &output, &err), -WR_E_UNAVAILABLE);
    CHECK_INT(wr_primitive_execute(p, NULL, NULL, &output, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_primitive_execute(NULL, input, NULL, &output, &err), -WR_E_INVALID_ARGUMENT);
    wr_workflow_free(workflow);
    wr_value_free(input);
    wr_primitive_free(p);
}

TEST(kinds_are_told_apart)
{
    struct echo echo = {0};
    struct wr_error err = {0};
    struct wr_primitive *p = wr_primitive_new("Echo", &bare, &echo, &err);
    CHECK(wr_primitive_self(p, &bare) == &echo);
    CHECK(!wr_primitive_self(p, &ops));
    CHECK(!wr_primitive_self(NULL, &ops));
    struct wr_value *figures = wr_primitive_stats(p);
    CHECK_INT(wr_value_count(figures), 0);
    wr_value_free(figures);
    wr_primitive_free(p);
    CHECK_INT(echo.freed, 0);
}

TEST(scopes_are_names_or_what_was_said)
{
    struct echo echo = {0};
    struct wr_error err = {0};
    char hash[WR_PRIMITIVE_SCOPE_MAX], other[WR_PRIMITIVE_SCOPE_MAX];
    struct wr_primitive *a = wr_primitive_new("A", &ops, &echo, &err);
    struct wr_primitive_spec spec = {.name = "B", .ops = &ops, .self = &echo, .scope = "said"};
    struct wr_primitive *b = wr_primitive_make(&spec, &err);
    CHECK_STR(wr_primitive_scope(a), "A");
    CHECK_STR(wr_primitive_scope(b), "said");
    wr_primitive_scope_of("x", (struct wr_primitive *const[]){a, b}, 2, hash);
    CHECK_INT(strlen(hash), 64);
    wr_primitive_scope_of("x", (struct wr_primitive *const[]){b, a}, 2, other);
    CHECK(strcmp(hash, other) != 0);
    wr_primitive_scope_of("y", (struct wr_primitive *const[]){a, b}, 2, other);
    CHECK(strcmp(hash, other) != 0);
    spec.scope = hash;
    struct wr_primitive *c = wr_primitive_make(&spec, &err);
    CHECK_STR(wr_primitive_scope(c), hash);
    spec.scope = "01234567890123456789012345678901234567890123456789012345678901234";
    CHECK(!wr_primitive_make(&spec, &err));
    wr_primitive_free(a);
    wr_primitive_free(b);
    wr_primitive_free(c);
}
