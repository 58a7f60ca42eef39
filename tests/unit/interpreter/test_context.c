/* The table of contexts, without runners. */
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
