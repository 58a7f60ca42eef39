/* What a failure of CRIU means: the first line of its log that we know, in our words. */
#pragma once

#include "base/error.h"

enum wr_criu_action {
    WR_CRIU_DUMP = 0,
    WR_CRIU_RESTORE = 1,
};

/*
 * `log` is the text that CRIU wrote; paths in it were chosen by the sandbox. FAILED_PRECONDITION:
 * the sandbox does what cannot be saved. RESOURCE_EXHAUSTED: no space, memory or processes.
 * DATA_LOSS (of a restore): the files are not those of the image. INTERNAL with the first error
 * line else. Returns -code.
 */
int wr_criu_explain(enum wr_criu_action action, const char *log, struct wr_error *err);
