/*
 * Giving a blank sandbox to a client: its agent gets environment, token and new randomness, the
 * engine sets the limits and makes the record final, both at the same time.
 */
#pragma once

#include <jansson.h>

#include "server/sandbox_table.h"

struct wr_blanks;

struct wr_assignment {
    const char *template_name;
    struct wr_sandbox_limits limits; /* 0: the template's */
    const json_t *env_vars;          /* an object of strings, or NULL */
    const char *token;               /* that the agent demands from now on, "" for none */
    const char *control_token;       /* the same for /init */
};
/* Exactly one of `sandbox` and `error` is non-NULL. The sandbox, with its limits and in no table,
 * is the caller's. An error means that the blank is lost and another way has to be taken. */
typedef void (*wr_assigned_fn)(struct wr_sandbox *sandbox, const struct wr_error *error,
                               void *data);
/* False, without a call of fn, when no blank fits. Else `fn` is called once, later. */
bool wr_blanks_assign(struct wr_blanks *blanks, const struct wr_assignment *assignment,
                      wr_assigned_fn fn, void *data) WR_MUST_CHECK;
/* Kills a sandbox that was assigned and could not be used, and frees its record. */
void wr_blanks_discard(struct wr_blanks *blanks, struct wr_sandbox *sandbox);
