/* Commands of several actions, of which the first argument names one: `warren key ls`. */
#pragma once

#include "cli/command.h"

struct wr_cli_action {
    const char *name;
    /* Arguments, the name among them. With fewer than `min_args` or more than `max_args` the action
     * does not run; one that says itself what is missing has a `min_args` of 1. */
    size_t min_args, max_args;
    /* Exactly one of them. The first needs no server; the second gets a connection to it, which is
     * started if need be. */
    int (*run)(const struct wr_invocation *in, struct wr_error *err);
    int (*call)(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err);
};

struct wr_cli_actions {
    const struct wr_cli_action *items;
    size_t count;
    /* What else may be wrong with the options and arguments of an action, before it runs; or NULL.
     */
    int (*check)(const struct wr_invocation *in, const struct wr_cli_action *action,
                 struct wr_error *err);
    /* Fills `err` for a wrong number of arguments; NULL: they are too many, nothing else. */
    int (*wrong_count)(const struct wr_invocation *in, const struct wr_cli_action *action,
                       struct wr_error *err);
};

/* The `run` of a command that has actions. INVALID_ARGUMENT without one of that name and for a
 * wrong number of arguments, before the server is asked for anything. */
int wr_cli_actions_run(const struct wr_invocation *in, struct wr_error *err) WR_MUST_CHECK;
