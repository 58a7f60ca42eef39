/*
 * Making a sandbox for a client: from a blank that waits (blanks.h), or by the engine. Its row is
 * in the store before the client is told.
 */
#pragma once

#include "base/error.h"
#include "server/sandbox_table.h"

struct wr_server;
struct wr_create_spec; /* create_action.h */

/* Exactly one of `sandbox` (owned by the table) and `error` is non-NULL. */
typedef void (*wr_create_fn)(struct wr_sandbox *sandbox, const struct wr_error *error, void *data);

/* Under an id that the engine has chosen; `fn` is called once, later. */
int wr_create_sandbox(struct wr_server *server, const struct wr_create_spec *spec, wr_create_fn fn,
                      void *data, struct wr_error *err) WR_MUST_CHECK;
