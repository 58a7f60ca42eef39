/* What the server gets of a sandbox that runs: the answer of CREATE, RESUME and ROLLBACK, with its
 * sockets. */
#pragma once

#include "base/buf.h"
#include "engine/engine.h"

struct wr_handover {
    struct wr_buf text;
    int fds[WR_ACTION_MAX_SOCKETS + WR_ACTION_EGRESS_SOCKETS]; /* owned */
    size_t fd_count;
};

/* Opens the sockets that the sandbox's specification asks for, of a frozen one, too, and writes the
 * answer. */
int wr_handover_prepare(const struct wr_engine_sandbox *sandbox, struct wr_handover *ret,
                        struct wr_error *err) WR_MUST_CHECK;
const char *wr_handover_json(const struct wr_handover *handover);
/* The engine keeps no socket. Accepts a zeroed one. */
void wr_handover_done(struct wr_handover *handover);
