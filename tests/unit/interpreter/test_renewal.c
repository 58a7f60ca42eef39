/* New randomness for all contexts, by fake_runner.py. */
#include <signal.h>
#include <sys/wait.h>

#include "agent/state.h"
#include "base/clock.h"
#include "interpreter/context.h"
#include "interpreter/frame_writer.h"
#include "interpreter/limits.h"
#include "interpreter/renewal.h"
#include "json/jread.h"
#include "test.h"

#define WAIT_MS 20000

static struct wr_agent agent;
static struct wr_interpreter interpreter;
static unsigned told;

static void step(void)
{
    struct wr_error err;
    CHECK_INT(wr_loop_step(interpreter.loop, 20, &err), 0);
}

static void begin(void)
{
    struct wr_error err;

    NEEDS_ROOT();
    (void)signal(SIGPIPE, SIG_IGN);
    agent.config = &agent.own;
    agent.own.default_user = "root";
    agent.own.sandbox_id = agent.own.template_name = "x";
    interpreter.agent = &agent;
    wr_list_init(&interpreter.contexts);
    wr_list_init(&interpreter.leaving);
    wr_list_init(&interpreter.renewals);
    wr_list_init(&interpreter.starts.waiting);
    CHECK_INT(wr_loop_new(&interpreter.loop, &err), 0);
}

static void end(void)
{
    wr_list_foreach(it, &interpreter.contexts)
        wr_context_free(wr_list_entry(it, struct wr_context, link));
    wr_renewals_look(&interpreter);
    interpreter.loop = wr_loop_free(interpreter.loop);
    while (waitpid(-1, NULL, 0) > 0)
        continue;
}

static struct wr_context *make(const char *variable)
{
    static const struct wr_language language = {.name = "fake",
                                                .argv = {"python3", "-I", FAKE_RUNNER}};
    wr_auto_json *env = variable ? json_pack("{s:s}", variable, "1") : NULL;
    struct wr_context *context = NULL;
    struct wr_error err;

    agent.own.env = env;
    CHECK_INT(wr_context_new(&interpreter, &language, "/", false, &context, &err), 0);
    CHECK_INT(wr_context_start(context, &err), 0);
    agent.own.env = NULL;
    return context;
}

static void wait_idle(const struct wr_context *context)
{
    for (uint64_t end_ms = wr_mono_ms() + WAIT_MS; context->runner->state != WR_RUNNER_IDLE;) {
        CHECK(wr_mono_ms() < end_ms);
        step();
    }
}

static void on_told(void *data)
{
    unsigned *counter = data;
    (*counter)++;
}

static void renew(void)
{
    wr_renewal_begin(&interpreter, NULL, on_told, &told);
}

static void wait_told(unsigned times)
{
    for (uint64_t end_ms = wr_mono_ms() + WAIT_MS; told < times;) {
        CHECK(wr_mono_ms() < end_ms);
        step();
    }
}

TEST(nothing_to_renew)
{
    struct wr_context *context = NULL;
    struct wr_error err;

    begin();
    CHECK_INT(wr_context_new(&interpreter, wr_language_find("python"), NULL, true, &context, &err),
              0);
    renew();
    CHECK_INT(told, 1);
    end();
}

TEST(all_that_are_idle_are_waited_for)
{
    begin();
    struct wr_context *one = make(NULL), *two = make(NULL);
    wait_idle(one);
    wait_idle(two);
    renew();
    CHECK_INT(told, 0);
    CHECK(one->renewing && two->renewing);
    renew();
    wait_told(2);
    CHECK(!one->renewing && !two->renewing);
    CHECK(wr_list_empty(&interpreter.renewals));
    end();
    CHECK_INT(told, 2);
}

/* One cell is enough to keep it, and the signal has told it. */
TEST(nobody_waits_for_a_cell)
{
    static const char code[] = "import time; time.sleep(60)";
    wr_auto_buf frame = WR_BUF(4096);
    struct wr_error err;

    begin();
    struct wr_context *context = make(NULL);
    wait_idle(context);
    CHECK_INT(wr_frame_execute(&frame, code, strlen(code), NULL, true), 0);
    CHECK_INT(wr_runner_execute(context->runner, &frame, true, &err), 0);
    renew();
    CHECK_INT(told, 1);
    CHECK_INT(context->runner->renew_open, 1);
    end();
}

TEST(a_runner_that_keeps_silent_holds_nobody_for_long)
{
    begin();
    struct wr_context *context = make("MUTE");
    wait_idle(context);
    uint64_t began_ms = wr_mono_ms();
    renew();
    CHECK_INT(told, 0);
    wait_told(1);
    CHECK(wr_mono_ms() - began_ms >= WR_RENEWAL_MS);
    CHECK(context->runner != NULL);
    end();
}

TEST(a_runner_that_dies_is_not_waited_for)
{
    begin();
    struct wr_context *context = make("MUTE");
    wait_idle(context);
    renew();
    CHECK_INT(kill(context->runner->pid, SIGKILL), 0);
    for (uint64_t end_ms = wr_mono_ms() + WAIT_MS; context->runner;) {
        CHECK(wr_mono_ms() < end_ms);
        step();
    }
    CHECK_INT(told, 1);
    end();
}

/* The service ends: whoever waits is told, once. */
TEST(the_end_of_everything_ends_it)
{
    begin();
    struct wr_context *context = make("MUTE");
    wait_idle(context);
    renew();
    end();
    CHECK_INT(told, 1);
}
