#include "base/base.h"
#include "cli/actions.h"
#include "test.h"

static const char *ran;

static int one(const struct wr_invocation *in, struct wr_error *err)
{
    (void)err;
    ran = in->args[0];
    return 3;
}

static int never(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    (void)client;
    return one(in, err);
}

static int wrong_count(const struct wr_invocation *in, const struct wr_cli_action *action,
                       struct wr_error *err)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s wants %zu, not %zu", action->name,
                   action->min_args, in->arg_count);
}

static const struct wr_cli_action items[] = {
    {.name = "one", .min_args = 1, .max_args = 2, .run = one},
    {.name = "pair", .min_args = 2, .max_args = 2, .call = never},
};
static const struct wr_cli_actions lenient = {.items = items, .count = 1};
static const struct wr_cli_actions strict = {
    .items = items, .count = WR_ARRAY_SIZE(items), .wrong_count = wrong_count};

static int run(const struct wr_cli_actions *actions, size_t count, const char *name,
               struct wr_error *err)
{
    const char *args[] = {name, "x", "y"};
    const struct wr_command command = {.name = "thing", .actions = actions};
    const struct wr_invocation in = {.command = &command, .args = args, .arg_count = count};

    ran = NULL;
    *err = (struct wr_error){0};
    return wr_cli_actions_run(&in, err);
}

TEST(first_argument_chooses)
{
    struct wr_error err;
    CHECK(run(&strict, 1, "one", &err) == 3);
    CHECK_STR(ran, "one");
    CHECK(run(&strict, 2, "one", &err) == 3);
}

TEST(unknown_action_is_told_the_names)
{
    struct wr_error err;
    CHECK(run(&strict, 1, "on", &err) == -WR_E_INVALID_ARGUMENT && !ran);
    CHECK_STR(err.msg, "thing: \"on\" is not one of one, pair");
    CHECK(run(&lenient, 1, "pair", &err) == -WR_E_INVALID_ARGUMENT && !ran);
    CHECK_STR(err.msg, "thing: \"pair\" is not one of one");
}

TEST(wrong_number_of_arguments_runs_nothing)
{
    struct wr_error err;
    CHECK(run(&lenient, 3, "one", &err) == -WR_E_INVALID_ARGUMENT && !ran);
    CHECK_STR(err.msg, "thing one: too many arguments");
    CHECK(run(&strict, 1, "pair", &err) == -WR_E_INVALID_ARGUMENT && !ran);
    CHECK_STR(err.msg, "pair wants 2, not 1");
    CHECK(run(&strict, 3, "pair", &err) == -WR_E_INVALID_ARGUMENT && !ran);
    CHECK_STR(err.msg, "pair wants 2, not 3");
}
