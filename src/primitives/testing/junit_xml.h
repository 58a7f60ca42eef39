/* JUnit's XML, as continuous integration reads it, from the results of cases. */
#pragma once

#include <jansson.h>

#include "base/buf.h"

#define WR_JUNIT_MAX (64 * WR_MIB)

struct wr_junit_counts {
    size_t passed, failed, skipped, errored;
    double duration_ms;
};

/* `results` as in the output of wr_tester_new(). 0, -ENOBUFS, -ENOMEM. */
int wr_junit_write(struct wr_buf *out, const char *suite, const struct wr_junit_counts *counts,
                   const json_t *results) WR_MUST_CHECK;
/* Text as content or as the value of an attribute: what XML 1.0 cannot hold becomes U+FFFD. */
int wr_junit_escape(struct wr_buf *out, const char *text, size_t len) WR_MUST_CHECK;
