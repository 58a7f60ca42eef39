/* What the tests of libwarren's client share. They are run by test_client.py against a server that
 * the environment names. */
#pragma once

#include "test.h"
#include "warren/warren.h"

/* The call must be 0; its error is shown otherwise. */
#define DO(call)                                                                          \
    do {                                                                                  \
        struct wr_error err = {0};                                                        \
        int r_ = (call);                                                                  \
        if (r_ != 0)                                                                      \
            wr_test_fail(__FILE__, __LINE__, "%s: %s: %s", #call, wr_code_name(err.code), \
                         err.msg);                                                        \
    } while (0)
/* The call must fail with that code. */
#define FAILS(wanted, call)                                                                       \
    do {                                                                                          \
        struct wr_error err = {0};                                                                \
        int r_ = (call);                                                                          \
        if (r_ != -(wanted) || err.code != (int)(wanted))                                         \
            wr_test_fail(__FILE__, __LINE__, "%s: %d, %s: %s", #call, r_, wr_code_name(err.code), \
                         err.msg);                                                                \
    } while (0)

struct wr_client *new_client(void);
struct wr_sandbox *new_sandbox(struct wr_client *client);
/* Kills it and frees both. */
void end(struct wr_client *client, struct wr_sandbox *sandbox);
/* Runs Python in the default context; the result is the caller's. */
struct wr_value *run_code(struct wr_sandbox *sandbox, const char *code);
/* The text of the main result; borrowed from `result`. */
const char *main_text(const struct wr_value *result);
struct wr_value *run_command(struct wr_sandbox *sandbox, const char *command);
/* Of this process. */
int open_descriptors(void);
int running_threads(void);
