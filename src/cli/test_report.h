/* What `warren test` prints: a table of cases, expected and actual output of those that failed, the
 * runner's own output of projects, and a line that counts. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* `output`: a tester's (warren/testing.h). To standard output; texts from inside cannot drive the
 * terminal. */
int wr_test_report_print(const json_t *output, bool project, struct wr_error *err) WR_MUST_CHECK;
/* 0 passed, 1 failed, 2 not collected or no tests, and the status of UNAVAILABLE when the
 * infrastructure failed. */
int wr_test_report_status(const json_t *output);
