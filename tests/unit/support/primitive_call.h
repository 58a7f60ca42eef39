/* Executions in tests: in the test's thread, or in one beside it. */
#pragma once

#include <pthread.h>

#include "warren/primitive.h"

struct primitive_call {
    int r;
    struct wr_value *value; /* owned */
    struct wr_error err;
    /* private: */
    struct wr_primitive *primitive;
    struct wr_workflow *workflow;
    const char *input;
    pthread_t thread;
};

/* Executes with `input`, JSON text; `workflow` may be NULL. */
void primitive_call(struct primitive_call *call, struct wr_primitive *primitive, const char *input,
                    struct wr_workflow *workflow);
/* The same in a thread; `call` and `input` stay until primitive_call_join(). */
void primitive_call_start(struct primitive_call *call, struct wr_primitive *primitive,
                          const char *input, struct wr_workflow *workflow);
void primitive_call_join(struct primitive_call *call);
/* Frees the value. */
void primitive_call_done(struct primitive_call *call);
/* Calls, checks that it went well, and done. */
void primitive_call_good(struct primitive_call *call, struct wr_primitive *primitive,
                         const char *input);
/* Calls with {"code": "1"} and no workflow; what it came to, 0 or the positive code. */
int primitive_call_code(struct wr_primitive *primitive);

/* A number of its statistics; -1 when there is none of that name. */
double primitive_stat(struct wr_primitive *primitive, const char *name);
/* A text of its statistics equals `expected`. */
void primitive_check_stat(struct wr_primitive *primitive, const char *name, const char *expected);
/* The value as text equals `expected`, JSON text in its canonical form. */
void primitive_check_value(const struct wr_value *value, const char *expected);
