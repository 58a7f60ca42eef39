/*
 * What the processes of a sandbox may do, as data: the nest applies it to the first process
 * (privileges.h), the zygote's library to each forked context (zygote/steps.h). Compiled into both;
 * uses nothing of the C library.
 */
#pragma once

#include <linux/filter.h>

#include "nest/protocol.h"

#define WR_RLIMIT_COUNT 5

struct wr_rlimit_row {
    unsigned resource; /* RLIMIT_* */
    uint64_t value;    /* soft and hard; a hard limit that is lower already stays */
    const char *name;
};

/* Bit n: capability n stays in the bounding set, and root of the sandbox has it. */
uint64_t wr_kept_capabilities(void);
/* For a sandbox in which several volumes are mounted (volumes.h), besides the engine's filter: no
 * files that share blocks, EXDEV instead. */
#define WR_NO_CLONES_FILTER_LEN 9
extern const struct sock_filter wr_no_clones_filter[WR_NO_CLONES_FILTER_LEN];
void wr_rlimit_table(const struct wr_nest_rlimits *limits,
                     struct wr_rlimit_row ret[static WR_RLIMIT_COUNT]);
