/* What GET and POST /files have in common: the query, and whether it may be answered. */
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

/* Reads the query and checks token or signature for the operation ("read", "write"). False when it
 * was answered with an error already. */
bool wr_file_target_read(const struct wr_agent *agent, struct wr_exchange *ex,
                         const char *operation, struct wr_file_target *ret) WR_MUST_CHECK;

/* The user of that name, else the default one ("" counts as none). WR_E_UNAUTHENTICATED for an
 * unknown one, WR_E_INVALID_ARGUMENT when there is neither. */
int wr_file_user(const struct wr_agent *agent, const char *name, struct wr_user *ret,
                 struct wr_error *err) WR_MUST_CHECK;
