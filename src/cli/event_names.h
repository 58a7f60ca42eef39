/* Types of events on the command line: with or without "sandbox.lifecycle.". */
#pragma once

#include "base/error.h"
#include "cli/opts.h"

#define WR_EVENT_NAME_MAX 40
#define WR_EVENT_NAMES    6

struct wr_event_names {
    char texts[WR_EVENT_NAMES][WR_EVENT_NAME_MAX]; /* whole names */
    const char *items[WR_EVENT_NAMES];             /* of `texts` */
    size_t count;
};

/* Nothing given: all. INVALID_ARGUMENT for a type that does not exist. */
int wr_event_names_read(const struct wr_opt_list *given, struct wr_event_names *ret,
                        struct wr_error *err) WR_MUST_CHECK;
