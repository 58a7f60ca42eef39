/* The table of contexts, without runners. */
#include "base/alloc.h"
#include "base/str.h"
#include "interpreter/context.h"
#include "interpreter/limits.h"
#include "test.h"

static struct wr_interpreter interpreter;

static void begin(void)
{
    wr_list_init(&interpreter.contexts);
    wr_list_init(&interpreter.leaving);
}

static void end(void)
{
    wr_list_foreach(it, &interpreter.contexts)
        wr_context_drop(wr_list_entry(it, struct wr_context, link));
    CHECK_INT(interpreter.context_count, 0);
}

static struct wr_context *make(const char *language, const char *cwd)
{
    struct wr_context *context = NULL;
    struct wr_error err;

    if (wr_context_new(&interpreter, wr_language_find(language), cwd, false, &context, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return context;
}

static struct wr_context *get_default(const char *language)
{
    struct wr_context *context = NULL;
    struct wr_error err;

    CHECK_INT(wr_context_default(&interpreter, wr_language_find(language), &context, &err), 0);
    return context;
}

TEST(ids_are_uuids_and_find_their_context)
{
    begin();
    struct wr_context *one = make("python", "/tmp"), *two = make("bash", NULL);
    CHECK_INT(strlen(one->id), WR_CONTEXT_ID_LEN);
    CHECK(one->id[14] == '4' && strchr("89ab", one->id[19]) != NULL);
    CHECK(!wr_streq(one->id, two->id));
    CHECK(wr_context_find(&interpreter, one->id) == one);
    CHECK(wr_context_find(&interpreter, two->id) == two);
    CHECK(wr_context_find(&interpreter, "") == NULL);
    CHECK_STR(one->cwd, "/tmp");
    CHECK(two->cwd == NULL);
    end();
}

TEST(a_default_is_one_per_language)
{
    begin();
    struct wr_context *other = make("python", NULL), *first = get_default("python");
    CHECK(first != other);
    CHECK(get_default(NULL) == first);
    CHECK(get_default("ts") != get_default("js"));
    CHECK_INT(interpreter.context_count, 4);
    /* In the order in which they were made. */
    CHECK(wr_list_entry(interpreter.contexts.next, struct wr_context, link) == other);
    CHECK(wr_list_entry(interpreter.contexts.prev, struct wr_context, link) ==
          get_default("javascript"));
    wr_context_drop(first);
    CHECK(get_default("python") != NULL);
    CHECK_INT(interpreter.context_count, 4);
    end();
}

TEST(there_is_a_maximum)
{
    struct wr_context *context = NULL;
    struct wr_error err;

    begin();
    for (int i = 0; i < WR_INTERPRETER_CONTEXTS; i++)
        context = make("python", NULL);
    CHECK_INT(wr_context_new(&interpreter, context->language, NULL, false, &context, &err),
              -WR_E_RESOURCE_EXHAUSTED);
    wr_context_drop(context);
    (void)make("python", NULL);
    end();
}

TEST(the_queue_has_a_maximum)
{
    struct wr_error err;

    begin();
    struct wr_context *context = make("python", NULL);
    context->queue_count = WR_INTERPRETER_QUEUE - 1;
    CHECK_INT(wr_context_admit(context, 100, &err), 0);
    context->queue_count++;
    CHECK_INT(wr_context_admit(context, 100, &err), -WR_E_RESOURCE_EXHAUSTED);
    context->queue_count = 0;
    interpreter.queued_bytes = WR_INTERPRETER_QUEUED - 100;
    CHECK_INT(wr_context_admit(context, 100, &err), 0);
    CHECK_INT(wr_context_admit(context, 101, &err), -WR_E_RESOURCE_EXHAUSTED);
    end();
}

/* One that waits, whose connection is gone. */
static struct wr_execution *wait_in(struct wr_context *context)
{
    struct wr_execution *e = wr_calloc(1, sizeof(*e));

    CHECK(e != NULL);
    e->interpreter = &interpreter;
    e->context = context;
    wr_life_now(&e->life);
    wr_list_append(&context->queue, &e->link);
    context->queue_count++;
    return e;
}

TEST(who_is_cut_off_by_a_pause_waits_on)
{
    begin();
    struct wr_context *context = make("python", NULL);
    struct wr_execution *left = wait_in(context);
    CHECK(!wr_context_left(context, left));
    wr_execution_free(left);
    CHECK_INT(context->queue_count, 0);

    struct wr_execution *kept = wait_in(context);
    wr_context_keep(context);
    CHECK(wr_context_left(context, kept));
    CHECK_INT(context->queue_count, 1);
    /* It is about those that were there. */
    struct wr_execution *later = wait_in(context);
    CHECK(!wr_context_left(context, later));
    wr_execution_free(later);

    struct wr_execution *restored = wait_in(context);
    CHECK(wr_strformat(restored->life.offsets, WR_LIFE_LEN, "monotonic 1 2"));
    CHECK(wr_context_left(context, restored));
    CHECK_INT(context->queue_count, 2);
    end();
}

TEST(who_is_cut_off_by_a_pause_is_not_interrupted)
{
    begin();
    struct wr_context *context = make("python", NULL);
    struct wr_runner runner = {.state = WR_RUNNER_BUSY};
    struct wr_execution *e = wait_in(context);
    context->running = e;
    context->runner = &runner;
    wr_list_remove(&e->link);
    wr_context_keep(context);
    /* It does not stay: what the cell says from now on is dropped. */
    CHECK(!wr_context_left(context, e));
    CHECK(context->running == NULL && !runner.interrupt);
    e->kept = false;
    context->running = e;
    CHECK(!wr_context_left(context, e));
    CHECK(context->running == NULL && runner.interrupt);
    wr_execution_free(e);
    context->runner = NULL;
    context->queue_count = 0;
    end();
}
