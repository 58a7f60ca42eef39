/* Waiting, on the loop, for the store to be on the disk: before something durable is built on it.
 */
#pragma once

#include "server/lifecycle.h"

struct wr_durable; /* server->durable */

int wr_durable_new(struct wr_server *server, struct wr_durable **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Who still waits is told that the server ends. Accepts NULL, returns NULL. */
struct wr_durable *wr_durable_free(struct wr_durable *durable);
/* `fn` is called once, later, when what the store had until now survives a power cut, or cannot. */
int wr_durable_wait(struct wr_durable *durable, wr_done_fn fn, void *data, struct wr_error *err)
    WR_MUST_CHECK;
