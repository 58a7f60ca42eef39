#include "support/primitive_call.h"

#include <string.h>

#include "json/value.h"
#include "test.h"

static struct wr_value *parse(const char *text)
{
    struct wr_error err = {0};
    struct wr_value *value = NULL;

    if (wr_value_parse(text, strlen(text), &value, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", text, err.msg);
    return value;
}

void primitive_call(struct primitive_call *call, struct wr_primitive *primitive, const char *input,
                    struct wr_workflow *workflow)
{
    wr_auto_value *value = parse(input);

    *call = (struct primitive_call){0};
    call->r = wr_primitive_execute(primitive, value, workflow, &call->value, &call->err);
    CHECK(call->r == 0 ? call->value != NULL : call->value == NULL);
    CHECK(call->r == 0 || call->err.code == -call->r);
}

static void *call_thread(void *data)
{
    struct primitive_call *call = data;
    wr_auto_value *value = parse(call->input);

    call->r =
        wr_primitive_execute(call->primitive, value, call->workflow, &call->value, &call->err);
    return NULL;
}

void primitive_call_start(struct primitive_call *call, struct wr_primitive *primitive,
                          const char *input, struct wr_workflow *workflow)
{
    *call = (struct primitive_call){.primitive = primitive, .workflow = workflow, .input = input};
    CHECK_INT(pthread_create(&call->thread, NULL, call_thread, call), 0);
}

void primitive_call_join(struct primitive_call *call)
{
    CHECK_INT(pthread_join(call->thread, NULL), 0);
}

void primitive_call_done(struct primitive_call *call)
{
    call->value = wr_value_free(call->value);
}

void primitive_call_good(struct primitive_call *call, struct wr_primitive *primitive,
                         const char *input)
{
    primitive_call(call, primitive, input, NULL);
    if (call->r < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", call->err.msg);
    primitive_call_done(call);
}

int primitive_call_code(struct wr_primitive *primitive)
{
    struct primitive_call call;

    primitive_call(&call, primitive, "{\"code\":\"1\"}", NULL);
    primitive_call_done(&call);
    return -call.r;
}

double primitive_stat(struct wr_primitive *primitive, const char *name)
{
    wr_auto_value *stats = wr_primitive_stats(primitive);

    return wr_value_double(stats, name, -1);
}

void primitive_check_stat(struct wr_primitive *primitive, const char *name, const char *expected)
{
    wr_auto_value *stats = wr_primitive_stats(primitive);

    CHECK_STR(wr_value_string(stats, name), expected);
}

void primitive_check_value(const struct wr_value *value, const char *expected)
{
    char *text = wr_value_text(value);

    CHECK_STR(text, expected);
    wr_free(text);
}
