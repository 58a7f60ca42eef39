/* A command of the host, timed from fork to exit: what other sandboxes cost. */
#pragma once

#include "base/error.h"

#define WR_COMMAND_MAX_ARGS 64

struct wr_command_line {
    const char *name;                     /* of its series; borrowed, as the words */
    char *words[WR_COMMAND_MAX_ARGS + 1]; /* "%u" is replaced by the number of the run */
};

/* "NAME=WORD WORD ..."; cuts `text` into pieces. */
int wr_command_parse(char *text, struct wr_command_line *ret, struct wr_error *err) WR_MUST_CHECK;
/* Fails unless it ends with status 0. Its output is dropped. */
int wr_command_time(const struct wr_command_line *command, unsigned run, uint64_t *ret_us,
                    struct wr_error *err) WR_MUST_CHECK;
