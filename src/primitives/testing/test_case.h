/* Cases: what a tester's input says about each, and one run of a case in a sandbox. */
#pragma once

#include <jansson.h>

#include "primitives/testing/test_match.h"
#include "warren/supply.h"

#define WR_TEST_MAX_CASES 10000

struct wr_test_case {
    char name[128];
    const json_t *input; /* borrowed; NULL: none */
    struct wr_expectation expectation;
    uint64_t timeout_ms;
};

/* What all cases of one input have in common. Texts are borrowed from the input. */
struct wr_test_suite {
    const char *code, *language;
    struct wr_test_case *cases; /* owned */
    size_t count;
    struct wr_supply *supply; /* borrowed, as what follows */
    bool keeps;               /* its sandboxes serve others afterwards */
    size_t max_output;        /* bytes of output that a result has */
};

/* `code`, `language` and `test_cases`; unknown members are INVALID_ARGUMENT. The rest of *ret is
 * left as it is. */
int wr_test_suite_read(const json_t *input, uint64_t default_timeout_ms, struct wr_test_suite *ret,
                       struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed one. */
void wr_test_suite_done(struct wr_test_suite *suite);

/*
 * Runs a case; *ret is a result as warren/testing.h has it, with `outcome` "passed", "failed",
 * "timeout" or "infrastructure_error". An error is only that the workflow has ended, or lack of
 * memory.
 */
int wr_test_case_run(const struct wr_test_suite *suite, const struct wr_test_case *test,
                     struct wr_workflow *workflow, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
