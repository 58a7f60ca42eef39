/* Who is making something, so that another process can tell whether he still is. */
#pragma once

#include <stdbool.h>

#include "base/base.h"

#define WR_OWNER_MAX 160

/* This process: boot, namespace of pids, pid and its start; "" when the system does not tell. */
void wr_owner_self(char ret[static WR_OWNER_MAX]);

enum wr_owner_state {
    WR_OWNER_UNKNOWN = 0, /* of another machine, boot or container */
    WR_OWNER_ALIVE = 1,
    WR_OWNER_GONE = 2,
};
enum wr_owner_state wr_owner_look(const char *owner);
