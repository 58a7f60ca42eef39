/* One call at a time: create, create and run, run in a live sandbox, kill, and commands of the host
 * in turn with them, so that whatever else the machine does meets all alike. */
#pragma once

#include "client/transport.h"
#include "command.h"
#include "series.h"

struct wr_latency_opts {
    const char *template_name;
    unsigned rounds, warm_up;
    const struct wr_command_line *commands;
    size_t command_count;
};

int wr_latency_run(struct wr_transport *client, const struct wr_latency_opts *opts,
                   struct wr_series_set *ret, struct wr_error *err) WR_MUST_CHECK;
