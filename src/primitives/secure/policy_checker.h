/* The sandbox that reads code for a policy. It runs one program of ours, src/primitives/secure/
 * policy_check.py, for each piece of code, which comes in as text on its standard input. */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "warren/supply.h"

struct wr_policy_checker;

/* `client` NULL: defaults. The sandbox is made when it is first needed. */
struct wr_policy_checker *wr_policy_checker_new(struct wr_client *client,
                                                const struct wr_sandbox_opts *sandbox,
                                                struct wr_error *err);
/* Accepts NULL, returns NULL. */
struct wr_policy_checker *wr_policy_checker_free(struct wr_policy_checker *checker);
/* *ret: {"violations": [...]}, and for code that does not parse "syntax_error": {"name", "value",
 * "traceback"} besides. PERMISSION_DENIED: the program could not tell. */
int wr_policy_checker_ask(struct wr_policy_checker *checker, const char *code, const json_t *rules,
                          struct wr_workflow *workflow, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
