/* Keeps a sandbox alive while a command uses it: its deadline is moved on every minute. */
#pragma once

#include "client/api_sandbox.h"
#include "client/transport.h"

struct wr_keep_alive {
    struct wr_transport *client; /* borrowed */
    struct wr_timer timer;
    char sandbox_id[32];
};

/* Never shortens its life. A failure shows later, as the sandbox's own end. */
void wr_keep_alive_start(struct wr_keep_alive *keep, struct wr_transport *client,
                         const char *sandbox_id);
/* Accepts a zeroed struct. */
void wr_keep_alive_stop(struct wr_keep_alive *keep);
