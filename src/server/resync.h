/* Makes the table of sandboxes and the store agree with the engine's list, at the start of either
 * process. */
#pragma once

#include "server/lifecycle.h"

/* Adds what the engine has and the store knows, kills what the store does not know (nobody has its
 * id), drops what the engine has not; `fn` is called once, later. A running resync must have ended
 * before: it does when the engine is restarted. */
int wr_resync(struct wr_server *server, wr_done_fn fn, void *data, struct wr_error *err)
    WR_MUST_CHECK;
