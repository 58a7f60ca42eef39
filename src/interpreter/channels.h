/* What connects a runner with the agent: a socket for frames and the pipes of its stdout and
 * stderr, in this order. */
#pragma once

#include "base/error.h"

#define WR_CHANNELS 3

struct wr_channels {
    int ours[WR_CHANNELS];   /* the pipes' read ends do not block */
    int theirs[WR_CHANNELS]; /* block, as programs expect it */
};

/* All descriptors are -1 on failure. */
int wr_channels_open(struct wr_channels *ret, struct wr_error *err) WR_MUST_CHECK;
/* Closes what is left. */
void wr_channels_close(struct wr_channels *channels);
