#include "primitives/execute/reset_in_place.h"
#include "supply_fixture.h"

/* What the program in the sandbox answers, and what it was asked. */
struct inside {
    const char *answer;
    int exit_code;
    char *request;
};

static int run(struct fake_driver *driver, const struct wr_call *call,
               const struct wr_program_opts *opts, void *data, struct wr_value **ret,
               struct wr_error *err)
{
    struct inside *inside = data;

    (void)driver;
    (void)err;
    CHECK_STR(call->user, "root");
    CHECK_STR(opts->argv[0], "python3");
    CHECK_STR(opts->argv[1], "-IBS");
    free(inside->request);
    inside->request = strndup(opts->input, opts->input_len);
    *ret = fake_program_result(inside->exit_code, inside->answer, "Traceback: no module json");
    return 0;
}

static struct wr_sandbox *sandbox_of(struct fixture *f, struct inside *inside)
{
    struct wr_sandbox *sandbox = NULL;
    struct wr_error err = {0};

    fake_driver_on_program(f->driver, run, inside);
    CHECK_INT(wr_sandbox_create(f->client, NULL, NULL, &sandbox, &err), 0);
    return sandbox;
}

static void done(struct fixture *f, struct wr_sandbox *sandbox, struct inside *inside)
{
    struct wr_error err = {0};

    CHECK_INT(wr_sandbox_kill(sandbox, NULL, &err), 0);
    wr_sandbox_free(sandbox);
    free(inside->request);
    fixture_free(f);
}

static const char clean[] = "{\"clean\": true}";
static const char noted[] = "{\"baseline\": {\"tick\": 12345678901234567}}";

TEST(the_baseline_goes_back_as_it_was_with_the_mount_points_of_volumes)
{
    struct fixture *f = fixture_new();
    struct inside inside = {.answer = noted};
    const char *volumes[] = {"data:/mnt/data", "models:/models:ro"};
    const struct wr_reset_opts opts = {.volumes = volumes, .volume_count = 2};
    struct wr_reset_baseline *baseline = NULL;
    struct wr_sandbox *sandbox = sandbox_of(f, &inside);
    struct wr_error err = {0};

    CHECK_INT(wr_reset_baseline_take(sandbox, &opts, &baseline, &err), 0);
    CHECK_STR(inside.request, "{\"baseline\":null,\"volumes\":[\"/mnt/data\",\"/models\"]}");
    inside.answer = clean;
    CHECK_INT(wr_reset_in_place(sandbox, baseline, &opts, &err), 0);
    CHECK_STR(inside.request, "{\"baseline\":{\"tick\":12345678901234567},"
                              "\"volumes\":[\"/mnt/data\",\"/models\"]}");
    wr_reset_baseline_free(baseline);
    done(f, sandbox, &inside);
}

TEST(contexts_of_the_baseline_begin_anew_and_others_go)
{
    struct fixture *f = fixture_new();
    struct inside inside = {.answer = noted};
    const struct wr_reset_opts opts = {0};
    struct wr_reset_baseline *baseline = NULL;
    struct wr_sandbox *sandbox = sandbox_of(f, &inside);
    struct wr_error err = {0};
    char first[WR_CONTEXT_ID_MAX], second[WR_CONTEXT_ID_MAX];

    CHECK_INT(wr_code_context_create(sandbox, NULL, NULL, NULL, first, &err), 0);
    CHECK_INT(wr_reset_baseline_take(sandbox, &opts, &baseline, &err), 0);
    CHECK_INT(wr_code_context_create(sandbox, NULL, NULL, NULL, second, &err), 0);
    inside.answer = clean;
    CHECK_INT(wr_reset_in_place(sandbox, baseline, &opts, &err), 0);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CONTEXT_RESTART), 1);
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CONTEXT_REMOVE), 1);
    char *log = fake_driver_log(f->driver);
    CHECK(strstr(strstr(log, "context_remove"), second));
    CHECK(strstr(strstr(log, "context_restart"), first));
    free(log);
    /* One of the baseline's that is gone cannot be brought back. */
    CHECK_INT(wr_code_context_remove(sandbox, first, NULL, &err), 0);
    CHECK_INT(wr_reset_in_place(sandbox, baseline, &opts, &err), -WR_E_FAILED_PRECONDITION);
    wr_reset_baseline_free(baseline);
    done(f, sandbox, &inside);
}

TEST(whatever_is_not_a_clear_yes_is_a_no)
{
    struct fixture *f = fixture_new();
    struct inside inside = {.answer = noted};
    const struct wr_reset_opts opts = {0};
    struct wr_reset_baseline *baseline = NULL;
    struct wr_sandbox *sandbox = sandbox_of(f, &inside);
    struct wr_error err = {0};

    CHECK_INT(wr_reset_baseline_take(sandbox, &opts, &baseline, &err), 0);
    inside.answer = "{\"dirty\": \"/etc/passwd was changed\"}";
    CHECK_INT(wr_reset_in_place(sandbox, baseline, &opts, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "/etc/passwd was changed"));
    const char *const nonsense[] = {"",   "[",  "fine",           "{} {}",
                                    "[]", "{}", "{\"clean\": 1}", "{\"clean\": false}"};
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        inside.answer = nonsense[i];
        CHECK_INT(wr_reset_in_place(sandbox, baseline, &opts, &err), -WR_E_FAILED_PRECONDITION);
    }
    inside = (struct inside){.answer = clean, .exit_code = 1, .request = inside.request};
    CHECK_INT(wr_reset_in_place(sandbox, baseline, &opts, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "no module json"));
    CHECK_INT(fake_driver_calls(f->driver, FAKE_CONTEXT_RESTART), 0);
    wr_reset_baseline_free(baseline);
    done(f, sandbox, &inside);
}

TEST(a_sandbox_that_cannot_be_compared_has_no_baseline)
{
    struct fixture *f = fixture_new();
    struct inside inside = {.answer = "{\"cannot\": \"KeyError: user\"}"};
    const struct wr_reset_opts opts = {0};
    struct wr_reset_baseline *baseline = NULL;
    struct wr_sandbox *sandbox = sandbox_of(f, &inside);
    struct wr_error err = {0};

    CHECK_INT(wr_reset_baseline_take(sandbox, &opts, &baseline, &err), -WR_E_UNIMPLEMENTED);
    CHECK(strstr(err.msg, "KeyError: user"));
    CHECK(!baseline && !wr_reset_baseline_free(NULL));
    done(f, sandbox, &inside);
}

/* ---- in a pool ---- */

static struct wr_supply *pool(struct fixture *f)
{
    struct wr_error err = {0};
    struct wr_supply *supply =
        wr_supply_pool(f->client,
                       WR_OPTS(wr_supply_opts, .size = 1, .max = 1, .reset_in_place = true,
                               .clock = &f->clock.clock),
                       &err);

    CHECK(supply);
    return supply;
}

static int answer_of_the_pool(struct fake_driver *driver, const struct wr_call *call,
                              const struct wr_program_opts *opts, void *data, struct wr_value **ret,
                              struct wr_error *err)
{
    const char *const *answer = data;
    bool is_baseline = memmem(opts->input, opts->input_len, "null", 4);

    (void)driver;
    (void)call;
    (void)err;
    *ret = fake_program_result(0, is_baseline ? noted : *answer, "");
    return 0;
}

TEST(a_clean_sandbox_is_used_again_and_a_refused_one_replaced)
{
    struct fixture *f = fixture_new();
    const char *answer = clean;
    char id[WR_SANDBOX_ID_MAX];

    fake_driver_on_program(f->driver, answer_of_the_pool, &answer);
    struct wr_supply *supply = pool(f);
    struct wr_lease lease = take(supply);
    CHECK(lease.fresh);
    id_of(&lease, id);
    give(supply, &lease, WR_LEASE_DONE);
    lease = take(supply);
    CHECK(!lease.fresh);
    CHECK_STR(wr_sandbox_id(lease.sandbox), id);
    CHECK_INT(stat_of(supply, "resets"), 1);
    answer = "{\"dirty\": \"x\"}";
    give(supply, &lease, WR_LEASE_DONE);
    lease = take(supply);
    CHECK(lease.fresh && strcmp(wr_sandbox_id(lease.sandbox), id) != 0);
    CHECK_INT(stat_of(supply, "resets_refused"), 1);
    CHECK(!fake_driver_is_alive(f->driver, id));
    /* A dirty lease is not even tried. */
    give(supply, &lease, WR_LEASE_DIRTY);
    EVENTUALLY(stat_of(supply, "killed") == 2);
    CHECK_INT(stat_of(supply, "resets_refused"), 1);
    wr_supply_free(supply);
    fixture_free(f);
}
