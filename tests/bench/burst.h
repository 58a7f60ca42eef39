/* Many creates at once, each on a connection of its own that was open before, and as many kills. */
#pragma once

#include "client/transport.h"
#include "series.h"

#define WR_BURST_MAX 1000

struct wr_burst_opts {
    const char *template_name;
    unsigned rounds, warm_up;
    unsigned count; /* at once, at most WR_BURST_MAX */
};

int wr_burst_run(struct wr_transport *client, const struct wr_burst_opts *opts,
                 struct wr_series_set *ret, struct wr_error *err) WR_MUST_CHECK;
