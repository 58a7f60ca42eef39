/* What GET and POST /files have in common: the user and the path of the query. */
#pragma once

#include <limits.h>

#include "agent/state.h"
#include "agent/user.h"
#include "http/server.h"

struct wr_file_target {
    struct wr_user user;
    bool has_path;       /* the query names one */
    char path[PATH_MAX]; /* resolved */
};

/* Reads the query. False when it was answered with an error already. */
bool wr_file_target_read(const struct wr_agent *agent, struct wr_exchange *ex,
                         struct wr_file_target *ret) WR_MUST_CHECK;
