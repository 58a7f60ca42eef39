#include <fcntl.h>

#include "base/clock.h"
#include "base/file.h"
#include "json/value.h"
#include "support/fake_primitive.h"
#include "support/primitive_call.h"
#include "test.h"
#include "warren/ledger.h"
#include "warren/limits.h"

#define HOUR_MS 3600000

struct told {
    int count;
    struct wr_budget_state last;
    enum wr_budget_level levels[16];
};

struct setting {
    struct fake_clock clock;
    struct fake_primitive fake;
    struct wr_primitive *budget;
    struct told told;
};

static void on_level(const struct wr_budget_state *state, void *data)
{
    struct told *told = data;
    CHECK(told->count < 16);
    told->levels[told->count++] = state->level;
    told->last = *state;
}

static void set_up(struct setting *s, struct wr_budget_opts opts)
{
    struct wr_error err = {0};

    fake_clock_init(&s->clock, 1000000, false);
    opts.struct_size = sizeof opts;
    opts.clock = &s->clock.clock;
    opts.on_level = on_level;
    opts.on_level_data = &s->told;
    s->fake.clock = &s->clock;
    s->budget = wr_budget_new(fake_primitive_new(&s->fake), &opts, &err);
    if (!s->budget)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

static void tear_down(struct setting *s)
{
    wr_primitive_free(s->budget);
    fake_primitive_done(&s->fake);
    fake_clock_done(&s->clock);
}

/* A tenth of an hour each. */
#define TENTH                                                                            \
    {                                                                                    \
        .output = "{\"success\":true,\"sandbox_ms\":60000,\"execution_time_ms\":300000}" \
    }

TEST(it_warns_and_then_stops)
{
    struct setting s = {.fake = {FAKE_STEPS(TENTH)}};
    struct primitive_call call;
    set_up(&s, (struct wr_budget_opts){.max_sandbox_hours = 1});
    for (int i = 0; i < 7; i++)
        CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(s.told.count, 0);
    primitive_check_stat(s.budget, "level", "fine");
    CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(s.told.count, 1);
    CHECK_INT(s.told.last.level, WR_BUDGET_WARN);
    CHECK_STR(s.told.last.limit, "sandbox_hours");
    CHECK(s.told.last.used > 0.79 && s.told.last.used < 0.81);
    CHECK_INT(s.told.last.allowed, 1);
    CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(s.told.count, 2);
    CHECK_INT(s.told.last.level, WR_BUDGET_STOP);
    primitive_call(&call, s.budget, "{}", NULL);
    CHECK_INT(call.r, -WR_E_FAILED_PRECONDITION);
    CHECK_INT(fake_primitive_calls(&s.fake), 10);
    CHECK_INT(primitive_stat(s.budget, "warned"), 1);
    CHECK_INT(primitive_stat(s.budget, "stopped"), 1);
    primitive_check_stat(s.budget, "level", "stop");
    CHECK_INT(primitive_stat(s.budget, "sandbox_hours") * 1000 + 0.5, 1000);
    tear_down(&s);
}

TEST(the_window_rolls)
{
    struct setting s = {.fake = {FAKE_STEPS(TENTH)}};
    set_up(&s, (struct wr_budget_opts){.max_sandbox_hours = 0.1, .period_s = 3600});
    CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(primitive_call_code(s.budget), WR_E_FAILED_PRECONDITION);
    fake_clock_advance(&s.clock, HOUR_MS - 10000);
    CHECK_INT(primitive_call_code(s.budget), WR_E_FAILED_PRECONDITION);
    fake_clock_advance(&s.clock, 20000);
    CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(s.told.count, 3);
    CHECK_INT(s.told.levels[1], WR_BUDGET_FINE);
    tear_down(&s);
}

TEST(cost_counts_by_the_second)
{
    struct setting s = {.fake = {FAKE_STEPS(TENTH)}};
    set_up(&s, (struct wr_budget_opts){.max_cost = 72, .cost_per_second = 0.1, .warn_at = 0.5});
    CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(s.told.last.level, WR_BUDGET_WARN);
    CHECK_STR(s.told.last.limit, "cost");
    CHECK_INT(primitive_stat(s.budget, "cost"), 36);
    CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(primitive_call_code(s.budget), WR_E_FAILED_PRECONDITION);
    tear_down(&s);
}

TEST(failures_count_with_their_whole_time_and_cached_results_with_none)
{
    struct setting s = {.fake = {FAKE_STEPS({.code = WR_E_UNAVAILABLE, .takes_ms = HOUR_MS / 4},
                                            {.output = "{\"cached\":true,\"sandbox_ms\":3600000}",
                                             .takes_ms = HOUR_MS},
                                            {.output = "[]", .takes_ms = HOUR_MS / 2},
                                            {.output = "{\"execution_time_ms\":3600000}"})}};
    set_up(&s, (struct wr_budget_opts){.max_sandbox_hours = 100});
    CHECK_INT(primitive_call_code(s.budget), WR_E_UNAVAILABLE);
    CHECK_INT(primitive_stat(s.budget, "sandbox_hours") * 1000 + 0.5, 250);
    CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(primitive_stat(s.budget, "sandbox_hours") * 1000 + 0.5, 250);
    CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(primitive_stat(s.budget, "sandbox_hours") * 1000 + 0.5, 750);
    CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(primitive_stat(s.budget, "sandbox_hours") * 1000 + 0.5, 1750);
    tear_down(&s);
}

TEST(too_many_at_once_are_told_to_come_again)
{
    struct setting s = {.fake = {FAKE_STEPS({.blocks = true, .output = "{}"})}};
    struct primitive_call calls[2];
    set_up(&s, (struct wr_budget_opts){.max_concurrent = 2});
    for (unsigned i = 0; i < 2; i++) {
        primitive_call_start(&calls[i], s.budget, "{}", NULL);
        fake_primitive_wait_running(&s.fake, i + 1);
    }
    CHECK_INT(primitive_stat(s.budget, "running"), 2);
    primitive_check_stat(s.budget, "level", "warn");
    CHECK_INT(primitive_call_code(s.budget), WR_E_RESOURCE_EXHAUSTED);
    fake_primitive_open(&s.fake);
    for (size_t i = 0; i < 2; i++) {
        primitive_call_join(&calls[i]);
        CHECK_INT(calls[i].r, 0);
        primitive_call_done(&calls[i]);
    }
    CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(primitive_stat(s.budget, "running"), 0);
    primitive_check_stat(s.budget, "level", "fine");
    CHECK_INT(s.told.count, 2);
    CHECK_INT(fake_primitive_most_running(&s.fake), 2);
    tear_down(&s);
}

TEST(without_limits_nothing_is_refused)
{
    struct setting s = {.fake = {FAKE_STEPS(TENTH)}};
    set_up(&s, (struct wr_budget_opts){0});
    for (int i = 0; i < 50; i++)
        CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(s.told.count, 0);
    tear_down(&s);
}

/* ---- with a ledger ---- */

static void add_use(struct wr_ledger *ledger, double held_ms)
{
    struct wr_error err = {0};
    CHECK_INT(wr_ledger_add(ledger,
                            &(struct wr_ledger_entry){.struct_size = sizeof(struct wr_ledger_entry),
                                                      .time_ms = (int64_t)wr_wall_ms(),
                                                      .create_ms = -1,
                                                      .run_ms = held_ms,
                                                      .held_ms = held_ms,
                                                      .code_succeeded = true,
                                                      .backend = "test",
                                                      .template_name = "base",
                                                      .language = "python"},
                            &err),
              0);
}

TEST(use_of_other_processes_counts)
{
    char dir[] = "/tmp/warren-budget-XXXXXX", path[64];
    struct setting s = {.fake = {FAKE_STEPS(TENTH)}};
    struct wr_error err = {0};
    CHECK(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/ledger.db", dir);
    struct wr_ledger *others = wr_ledger_open(path, &err);
    CHECK(others);
    add_use(others, HOUR_MS / 2);
    set_up(&s, (struct wr_budget_opts){.max_sandbox_hours = 1, .ledger_path = path});
    CHECK_INT(primitive_stat(s.budget, "sandbox_hours") * 1000 + 0.5, 500);
    CHECK_INT(primitive_call_code(s.budget), 0);
    CHECK_INT(primitive_stat(s.budget, "sandbox_hours") * 1000 + 0.5, 600);

    /* Looked at again after ten seconds, and not before. What this process has used by then is
     * taken for written: here it is not, and so is left out beside the others' larger use. */
    add_use(others, HOUR_MS / 2);
    fake_clock_advance(&s.clock, 9999);
    CHECK_INT(primitive_call_code(s.budget), 0);
    fake_clock_advance(&s.clock, 1);
    CHECK_INT(primitive_call_code(s.budget), WR_E_FAILED_PRECONDITION);
    CHECK_INT(primitive_stat(s.budget, "sandbox_hours") * 1000 + 0.5, 1000);
    CHECK_STR(s.told.last.limit, "sandbox_hours");
    tear_down(&s);
    wr_ledger_free(others);
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
}

TEST(own_use_counts_whatever_the_ledger_says)
{
    char dir[] = "/tmp/warren-budget-XXXXXX", path[64];
    struct setting s = {.fake = {FAKE_STEPS(TENTH)}};
    CHECK(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/ledger.db", dir);
    set_up(&s, (struct wr_budget_opts){.max_sandbox_hours = 0.2, .ledger_path = path});
    for (int i = 0; i < 2; i++) {
        CHECK_INT(primitive_call_code(s.budget), 0);
        fake_clock_advance(&s.clock, 20000);
    }
    CHECK_INT(primitive_call_code(s.budget), WR_E_FAILED_PRECONDITION);
    tear_down(&s);
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
}

TEST(a_ledger_that_cannot_be_opened_is_an_error)
{
    struct fake_primitive fake = {0};
    struct wr_error err = {0};
    CHECK(!wr_budget_new(fake_primitive_new(&fake),
                         WR_OPTS(wr_budget_opts, .ledger_path = "/proc/no/ledger.db"), &err));
    CHECK(err.code != 0);
    fake_primitive_done(&fake);
}

/* ---- the callback ---- */

struct reentry {
    struct wr_primitive *budget;
    int calls;
};

static void execute_again(const struct wr_budget_state *state, void *data)
{
    struct reentry *reentry = data;
    if (state->level != WR_BUDGET_FINE && reentry->calls++ == 0)
        CHECK_INT(primitive_call_code(reentry->budget), 0);
}

TEST(a_callback_may_use_the_budget)
{
    struct fake_primitive fake = {FAKE_STEPS(TENTH)};
    struct reentry reentry = {0};
    struct wr_error err = {0};
    reentry.budget = wr_budget_new(fake_primitive_new(&fake),
                                   WR_OPTS(wr_budget_opts, .max_sandbox_hours = 0.12,
                                           .on_level = execute_again, .on_level_data = &reentry),
                                   &err);
    CHECK_INT(primitive_call_code(reentry.budget), 0);
    /* Warned, executed within, and then told of the stop. */
    CHECK_INT(reentry.calls, 2);
    CHECK_INT(primitive_call_code(reentry.budget), WR_E_FAILED_PRECONDITION);
    wr_primitive_free(reentry.budget);
    fake_primitive_done(&fake);
}

static void *hammer(void *data)
{
    for (int i = 0; i < 100; i++)
        (void)primitive_call_code(data);
    return NULL;
}

TEST(many_threads_add_up)
{
    enum { THREADS = 4 };
    struct setting s = {.fake = {FAKE_STEPS({.output = "{\"execution_time_ms\":3600}"})}};
    pthread_t threads[THREADS];
    set_up(&s, (struct wr_budget_opts){.max_sandbox_hours = 1000});
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, hammer, s.budget), 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(primitive_stat(s.budget, "sandbox_hours") * 1000 + 0.5, THREADS * 100);
    CHECK_INT(primitive_stat(s.budget, "running"), 0);
    tear_down(&s);
}

TEST(bad_options_free_the_inner_one)
{
    const struct wr_budget_opts bad[] = {
        {.struct_size = sizeof *bad, .max_sandbox_hours = -1},
        {.struct_size = sizeof *bad, .max_sandbox_hours = __builtin_nan("")},
        {.struct_size = sizeof *bad, .max_cost = 1},
        {.struct_size = sizeof *bad, .max_cost = 1, .cost_per_second = -1},
        {.struct_size = sizeof *bad, .warn_at = 1.01},
        {.struct_size = sizeof *bad, .warn_at = -0.1},
        {.struct_size = sizeof *bad, .period_s = 400ULL * 24 * 3600 + 1},
        {.struct_size = 1},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fake_primitive fake = {0};
        struct wr_error err = {0};
        CHECK(!wr_budget_new(fake_primitive_new(&fake), &bad[i], &err));
        CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
        fake_primitive_done(&fake);
    }
    struct setting good = {0};
    set_up(&good, (struct wr_budget_opts){.warn_at = 1, .period_s = 400ULL * 24 * 3600});
    tear_down(&good);
}
