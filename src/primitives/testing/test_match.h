/* What a case expects of the output, and whether it is that. */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/error.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum wr_expectation_kind {
    WR_EXPECT_NOTHING = 0, /* the code only has to end well */
    WR_EXPECT_TEXT = 1,
    WR_EXPECT_PATTERN = 2,
    WR_EXPECT_NUMBER = 3,
};

struct wr_expectation {
    enum wr_expectation_kind kind;
    json_t *shown;       /* borrowed from the case: the text, pattern or number; NULL for nothing */
    pcre2_code *pattern; /* owned */
    double number, tolerance, relative_tolerance;
};

/* From the members of a case: at most one of expected_output, expected_regex, expected_number.
 * `name` is what errors call the case. */
int wr_expectation_read(const json_t *members, const char *name, struct wr_expectation *ret,
                        struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed one. */
void wr_expectation_done(struct wr_expectation *expectation);

enum wr_match {
    WR_MATCH_NO = 0,
    WR_MATCH_YES = 1,
    WR_MATCH_TOO_HARD = 2, /* a pattern that took more steps than it may */
};
/* `output` is UTF-8. Thread-safe. */
enum wr_match wr_expectation_match(const struct wr_expectation *expectation, const char *output,
                                   size_t len);
