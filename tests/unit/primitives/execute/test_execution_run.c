#include "json/jread.h"
#include "primitives/core/workflow.h"
#include "primitives/execute/execution_run.h"
#include "support/fake_driver.h"
#include "test.h"

/* What the fake interpreter does with the code, and with the probes after it. */
struct script {
    int code;                        /* of the error; 0: it ends well */
    unsigned probes, failing_probes; /* seen; that time out */
    char language[32];
};

struct fixture {
    struct fake_driver *driver;
    struct wr_client *client;
    struct wr_workflow *workflow;
    struct wr_sandbox *sandbox;
    struct script script;
    struct wr_execution_run run;
    enum wr_lease_end end;
    struct wr_error err;
};

static int on_code(struct fake_driver *driver, const struct wr_call *call,
                   const struct wr_code_opts *opts, void *data, struct wr_value **ret,
                   struct wr_error *err)
{
    struct script *script = data;
    bool probe = strcmp(opts->code, "the code") != 0;
    int code = probe ? (script->probes < script->failing_probes ? WR_E_DEADLINE_EXCEEDED : 0)
                     : script->code;

    (void)driver;
    (void)call;
    script->probes += probe;
    snprintf(script->language, sizeof script->language, "%s", opts->language);
    if (!probe && fake_code_emit(opts, WR_CODE_STDOUT, "hello\n") != 0)
        code = WR_E_CANCELED;
    if (code) {
        *err = (struct wr_error){.code = code, .msg = "scripted"};
        return -code;
    }
    *ret = fake_code_result("hello\n", NULL, NULL, NULL, NULL);
    return 0;
}

static void set_up(struct fixture *f, const struct wr_workflow_opts *opts)
{
    f->driver = fake_driver_new();
    f->client = fake_driver_client(f->driver);
    f->workflow = wr_workflow_new(opts, &f->err);
    CHECK_INT(wr_sandbox_create(f->client, NULL, NULL, &f->sandbox, &f->err), 0);
    fake_driver_on_code(f->driver, on_code, &f->script);
    f->run = (struct wr_execution_run){.sandbox = f->sandbox,
                                       .code = "the code",
                                       .language = "python",
                                       .timeout_ms = 1500,
                                       .keeps = true};
}

static void tear_down(struct fixture *f)
{
    wr_sandbox_free(f->sandbox);
    wr_workflow_free(f->workflow);
    wr_client_free(f->client);
    fake_driver_free(f->driver);
}

static int run(struct fixture *f)
{
    wr_auto_json *result = NULL;

    return wr_execution_run(&f->run, f->workflow, NULL, &result, &f->end, &f->err);
}

/* The first context of the language, as a server lists it. */
static void make_context(struct fixture *f)
{
    char id[WR_CONTEXT_ID_MAX];

    CHECK_INT(wr_code_context_create(f->sandbox, "python", NULL, NULL, id, &f->err), 0);
}

TEST(code_that_ends)
{
    struct fixture f = {0};

    set_up(&f, NULL);
    CHECK_INT(run(&f), 0);
    CHECK_INT(f.end, WR_LEASE_DONE);
    CHECK_INT(f.script.probes, 0);
    tear_down(&f);
}

TEST(a_timeout_says_how_long_and_the_interpreter_is_looked_at)
{
    struct fixture f = {.script.code = WR_E_DEADLINE_EXCEEDED};

    set_up(&f, NULL);
    CHECK_INT(run(&f), -WR_E_DEADLINE_EXCEEDED);
    CHECK_STR(f.err.msg, "code ran longer than 1.5 seconds and was stopped");
    CHECK_INT(f.end, WR_LEASE_DONE);
    CHECK_INT(f.script.probes, 1);
    CHECK_INT(fake_driver_calls(f.driver, FAKE_CONTEXT_RESTART), 0);
    tear_down(&f);
}

TEST(an_interpreter_that_does_not_answer_is_started_again)
{
    struct fixture f = {.script = {.code = WR_E_DEADLINE_EXCEEDED, .failing_probes = 1}};

    set_up(&f, NULL);
    make_context(&f);
    CHECK_INT(run(&f), -WR_E_DEADLINE_EXCEEDED);
    CHECK(strstr(f.err.msg, "was stopped; the interpreter was started again"));
    CHECK_INT(f.end, WR_LEASE_DONE);
    CHECK_INT(fake_driver_calls(f.driver, FAKE_CONTEXT_RESTART), 1);
    tear_down(&f);
}

TEST(one_that_cannot_be_started_again_makes_the_sandbox_dirty)
{
    struct fixture f = {.script = {.code = WR_E_DEADLINE_EXCEEDED, .failing_probes = 1}};

    set_up(&f, NULL);
    make_context(&f);
    fake_driver_fail(f.driver, FAKE_CONTEXT_RESTART, 1, 1, WR_E_INTERNAL);
    CHECK_INT(run(&f), -WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(f.end, WR_LEASE_DIRTY);
    tear_down(&f);
}

TEST(a_sandbox_of_one_use_is_not_put_right)
{
    struct fixture f = {.script.code = WR_E_DEADLINE_EXCEEDED};

    set_up(&f, NULL);
    f.run.keeps = false;
    CHECK_INT(run(&f), -WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(f.end, WR_LEASE_DIRTY);
    CHECK_INT(f.script.probes, 0);
    tear_down(&f);
}

TEST(languages_without_a_probe_are_started_again_at_once)
{
    struct fixture f = {.script.code = WR_E_DEADLINE_EXCEEDED};
    char id[WR_CONTEXT_ID_MAX];

    set_up(&f, NULL);
    f.run.language = "cobol";
    CHECK_INT(wr_code_context_create(f.sandbox, "cobol", NULL, NULL, id, &f.err), 0);
    CHECK_INT(run(&f), -WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(f.script.probes, 0);
    CHECK_INT(fake_driver_calls(f.driver, FAKE_CONTEXT_RESTART), 1);
    CHECK_INT(f.end, WR_LEASE_DONE);
    tear_down(&f);
}

TEST(the_workflow_s_time_is_not_the_code_s)
{
    struct fixture f = {.script.code = WR_E_DEADLINE_EXCEEDED};

    set_up(&f, WR_OPTS(wr_workflow_opts, .timeout_ms = 1));
    while (wr_workflow_check(f.workflow, &f.err) == 0)
        ;
    CHECK_INT(run(&f), -WR_E_DEADLINE_EXCEEDED);
    CHECK_STR(f.err.msg, "the workflow's time is over");
    CHECK_INT(f.script.probes, 1);
    tear_down(&f);
}

TEST(a_server_that_does_not_answer_is_no_timeout_of_code)
{
    struct fixture f = {.script.code = WR_E_DEADLINE_EXCEEDED};

    set_up(&f, NULL);
    fake_driver_fail(f.driver, FAKE_INFO, 1, 2, WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(run(&f), -WR_E_UNAVAILABLE);
    CHECK(strstr(f.err.msg, "does not answer"));
    CHECK_INT(f.end, WR_LEASE_DIRTY);
    tear_down(&f);
}

TEST(a_sandbox_that_has_gone)
{
    struct fixture f = {.script.code = WR_E_UNAVAILABLE};

    set_up(&f, NULL);
    fake_driver_fail(f.driver, FAKE_INFO, 1, 1, WR_E_NOT_FOUND);
    CHECK_INT(run(&f), -WR_E_UNAVAILABLE);
    CHECK(strstr(f.err.msg, "has gone while it was used"));
    CHECK_INT(f.end, WR_LEASE_LOST);

    f.script.code = WR_E_ABORTED;
    CHECK_INT(run(&f), -WR_E_ABORTED);
    CHECK_STR(f.err.msg, "scripted");
    CHECK_INT(f.end, WR_LEASE_LOST);
    tear_down(&f);
}

TEST(a_connection_that_was_cut_leaves_an_interpreter_to_look_at)
{
    struct fixture f = {.script.code = WR_E_UNAVAILABLE};

    set_up(&f, NULL);
    CHECK_INT(run(&f), -WR_E_UNAVAILABLE);
    CHECK_INT(f.end, WR_LEASE_DONE);
    CHECK_INT(f.script.probes, 1);
    f.run.keeps = false;
    CHECK_INT(run(&f), -WR_E_UNAVAILABLE);
    CHECK_INT(f.end, WR_LEASE_DIRTY);
    CHECK_INT(f.script.probes, 1);
    tear_down(&f);
}

/* Code that stands still with its sandbox is not put right: that would end what is to go on. */
TEST(a_sandbox_that_was_paused_is_kept_as_it_is)
{
    static const int codes[] = {WR_E_DEADLINE_EXCEEDED, WR_E_UNAVAILABLE};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct fixture f = {.script.code = codes[i]};
        set_up(&f, NULL);
        make_context(&f);
        CHECK_INT(wr_sandbox_pause(f.sandbox, NULL, NULL, NULL, &f.err), 0);
        CHECK_INT(run(&f), -WR_E_FAILED_PRECONDITION);
        CHECK(strstr(f.err.msg, "was paused while it was used"));
        CHECK_INT(f.end, WR_LEASE_DONE);
        CHECK_INT(f.script.probes, 0);
        CHECK_INT(fake_driver_calls(f.driver, FAKE_CONTEXT_RESTART), 0);
        tear_down(&f);
    }
}

TEST(one_of_one_use_goes_also_when_it_was_paused)
{
    struct fixture f = {.script.code = WR_E_UNAVAILABLE};

    set_up(&f, NULL);
    f.run.keeps = false;
    CHECK_INT(wr_sandbox_pause(f.sandbox, NULL, NULL, NULL, &f.err), 0);
    CHECK_INT(run(&f), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(f.end, WR_LEASE_DIRTY);
    tear_down(&f);
}

TEST(what_never_ran_leaves_the_sandbox_as_it_was)
{
    struct fixture f = {.script.code = WR_E_INVALID_ARGUMENT};

    set_up(&f, NULL);
    CHECK_INT(run(&f), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(f.end, WR_LEASE_DONE);
    CHECK_INT(f.script.probes, 0);
    tear_down(&f);
}

TEST(code_that_displayed_too_much_is_given_up_and_the_interpreter_looked_at)
{
    struct fixture f = {.script.code = WR_E_OUT_OF_RANGE};

    set_up(&f, NULL);
    CHECK_INT(run(&f), -WR_E_OUT_OF_RANGE);
    CHECK_INT(f.end, WR_LEASE_DONE);
    CHECK_INT(f.script.probes, 1);
    tear_down(&f);
}

static int listen(const struct wr_code_event *event, void *data)
{
    int *count = data;

    CHECK_INT(event->kind, WR_CODE_STDOUT);
    CHECK_STR(event->text, "hello\n");
    return ++*count > 1;
}

TEST(listeners_hear_and_can_give_up)
{
    struct fixture f = {0};
    int count = 0;

    set_up(&f, WR_OPTS(wr_workflow_opts, .on_event = listen, .on_event_data = &count));
    CHECK_INT(run(&f), 0);
    CHECK_INT(count, 1);
    CHECK_INT(run(&f), -WR_E_CANCELED);
    CHECK_INT(f.script.probes, 1);
    CHECK_INT(f.end, WR_LEASE_DONE);
    tear_down(&f);
}

TEST(deadlines_of_other_calls)
{
    struct wr_error err = {.code = WR_E_DEADLINE_EXCEEDED, .msg = "slow"};
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);

    err = (struct wr_error){.code = WR_E_DEADLINE_EXCEEDED, .msg = "slow"};
    CHECK_INT(wr_execution_service_error(workflow, &err), -WR_E_UNAVAILABLE);
    CHECK_STR(err.msg, "slow");
    err.code = WR_E_NOT_FOUND;
    CHECK_INT(wr_execution_service_error(workflow, &err), -WR_E_NOT_FOUND);
    err.code = WR_E_DEADLINE_EXCEEDED;
    wr_workflow_cancel(workflow);
    CHECK_INT(wr_execution_service_error(workflow, &err), -WR_E_CANCELED);
    wr_workflow_free(workflow);
}
