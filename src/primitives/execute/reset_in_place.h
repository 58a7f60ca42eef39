/*
 * Reset in place: makes a used sandbox look as it was when it was new, or says that it cannot.
 *
 * A baseline is taken when a sandbox is new. A reset ends every process that was not there then,
 * removes what was added below the directories where programs leave things, starts the interpreter
 * contexts anew, and compares everything else with the baseline. What this proves, and what it
 * cannot, is said in docs/internals/supply.md.
 */
#pragma once

#include "base/error.h"
#include "warren/sandbox.h"

struct wr_reset_baseline;

struct wr_reset_opts {
    const char *const *volumes; /* "name:/path...": shared on purpose, not looked at */
    size_t volume_count;
    struct wr_wait wait; /* of each of the calls into the sandbox */
};

/* UNIMPLEMENTED: the sandbox is of a kind that cannot be compared. */
int wr_reset_baseline_take(struct wr_sandbox *sandbox, const struct wr_reset_opts *opts,
                           struct wr_reset_baseline **ret, struct wr_error *err) WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_reset_baseline *wr_reset_baseline_free(struct wr_reset_baseline *baseline);

/* FAILED_PRECONDITION: it is not as it was, with what was found first; it must not be used again,
 * and neither after any other error. */
int wr_reset_in_place(struct wr_sandbox *sandbox, const struct wr_reset_baseline *baseline,
                      const struct wr_reset_opts *opts, struct wr_error *err) WR_MUST_CHECK;
