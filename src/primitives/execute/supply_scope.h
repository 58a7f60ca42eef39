/* What of a supply decides the results of the code that runs in its sandboxes. */
#pragma once

#include "primitives/core/primitive.h"
#include "warren/supply.h"

struct wr_supply_scope {
    const char *kind; /* a session remembers what ran before */
    const char *backend;
    const char *setup;                     /* or NULL */
    const struct wr_sandbox_opts *sandbox; /* as read by wr_options_read() */
};
/* A hash of it (core/primitive.h). */
void wr_supply_scope_write(const struct wr_supply_scope *scope,
                           char ret[static WR_PRIMITIVE_SCOPE_MAX]);
