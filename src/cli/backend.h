/* Which server executes code: the option --backend, and the client that it makes. */
#pragma once

#include "cli/command.h"
#include "warren/client.h"

enum wr_backend_choice {
    WR_CHOICE_SOCKET = 0, /* the server of --socket, as for all commands */
    WR_CHOICE_AUTO = 1,
    WR_CHOICE_E2B = 2,
    WR_CHOICE_PRIVATE = 3,
};

/* A row for an option table; the value is a uint64_t. */
#define WR_BACKEND_OPT(offset)                                                                 \
    {                                                                                          \
        "backend", 0, WR_OPT_CHOICE, offset, "socket|auto|e2b|private",                        \
            "server that executes; auto and e2b read E2B_API_KEY and the like (socket)", 0, 0, \
            false                                                                              \
    }

/* A server of WR_CHOICE_SOCKET is started if need be, which `cancel` (may be NULL) ends. *ret is
 * the caller's. */
int wr_cli_client(const struct wr_invocation *in, uint64_t choice, struct wr_cancel *cancel,
                  struct wr_client **ret, struct wr_error *err) WR_MUST_CHECK;
