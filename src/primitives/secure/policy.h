/* Rules for code, and what they say of a piece of it. docs/internals/policy.md. */
#pragma once

#include "base/base.h"
#include "warren/secure.h"

struct wr_policy;

/* Borrowed during the call. */
struct wr_policy_opts {
    const struct wr_value *rules; /* as of wr_secure_opts; NULL: the default list */
    struct wr_client *client;     /* NULL: defaults */
    const struct wr_sandbox_opts *sandbox;
};
struct wr_policy *wr_policy_new(const struct wr_policy_opts *opts, struct wr_error *err);
/* Ends the sandbox that reads code. Accepts NULL, returns NULL. */
struct wr_policy *wr_policy_free(struct wr_policy *policy);

/* *ret: {"allowed", "violations"}, and for code that does not parse, which is not allowed,
 * "syntax_error": {"name", "value", "traceback"}. PERMISSION_DENIED when the code cannot be judged;
 * errors of the service when nobody can be asked. Never 0 for code that was not read to its end. */
int wr_policy_check(struct wr_policy *policy, const char *code, const char *language,
                    struct wr_workflow *workflow, struct wr_value **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Code that breaks rules runs all the same. */
bool wr_policy_reports_only(const struct wr_policy *policy);
/* All rules as JSON text, what distinguishes this policy from others. Borrowed. */
const char *wr_policy_text(const struct wr_policy *policy);
/* PERMISSION_DENIED with the first violation of a report. */
int wr_policy_refusal(const struct wr_value *report, struct wr_error *err);
/* What an executor would give for code that does not parse, which needs no sandbox to be known;
 * NULL for a report of other code, or (`err` says so) without memory. */
struct wr_value *wr_policy_syntax_result(const struct wr_value *report, const char *language,
                                         struct wr_error *err);
