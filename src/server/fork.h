/*
 * Forks: copies of a sandbox that run beside it and go their own ways. One snapshot is taken, which
 * no client sees and which goes when the last copy is made; each copy has an id and tokens of its
 * own and the settings of the original.
 */
#pragma once

#include "server/lifecycle.h"

#define WR_FORK_MAX 100 /* of one request */

struct wr_fork_wish {
    uint64_t timeout_ms; /* lifetime of the copies */
    uint32_t count;      /* 1 to WR_FORK_MAX */
    uint64_t request;    /* number of the client's request */
};

/* One copy: a sandbox, or why there is none. */
struct wr_fork_result {
    char id[WR_ID_LEN + 1]; /* "" when it failed */
    struct wr_error error;
};

/* `error` NULL: `results` has one entry for each copy, borrowed. */
typedef void (*wr_fork_fn)(const struct wr_fork_result *results, size_t count,
                           const struct wr_error *error, void *data);
/* Of one that runs or is frozen. `fn` is called once, later, unless this function fails. Errors as
 * those of wr_server_snapshot_take(); those of a copy are in its result. */
int wr_fork(struct wr_server *server, struct wr_sandbox *sandbox, const struct wr_fork_wish *wish,
            wr_fork_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
