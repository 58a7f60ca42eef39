/** @file
 * CodeTestingPrimitive: code against cases, and projects with tests of their own.
 */
#pragma once

#include "warren/primitive.h"
#include "warren/supply.h"

WR_BEGIN_DECLS

/** Options of wr_tester_new(). Borrowed during the call, what is needed later is copied. */
struct wr_tester_opts {
    size_t struct_size;
    struct wr_supply *supply; /**< one more holder; NULL: a new sandbox per case, so that no case
                                 sees another's traces */
    const struct wr_supply_opts *supply_opts; /**< of the new ones; NULL: defaults */
    unsigned max_concurrent;                  /**< 0: 4 */
    uint64_t case_timeout_ms;                 /**< 0: 30,000 */
    uint64_t project_timeout_ms; /**< of a project's install and run each; 0: 600,000 */
    size_t max_output;           /**< bytes of output kept per case; 0: 10,000 */
};
/**
 * Input, cases: {"code": text, "language": "python", "test_cases": [{
 *     "name": text, "input": any value, given to the code as /test_input.json and, if it is text
 * and the language Python, as its standard input, "expected_output": text (compared without white
 * space at both ends), or "expected_regex": text (PCRE2, searched), or "expected_number": number
 * with "tolerance" (absolute, 0) and "relative_tolerance" (0); none of them: the code only has to
 * end well, "timeout": seconds}]}. What is compared is the standard output; when that is empty, the
 * value of the last expression.
 *
 * Input, project: {"project": path of a directory or of a .tar, .tar.gz, .tar.zst on the caller's
 * side, "runner": "pytest" or "unittest", "args": [text], "install": [packages], "requirements":
 * path in the project, "coverage": bool}. Directories leave out .git, __pycache__, .venv,
 * node_modules and caches, and links that lead out of them.
 *
 * Output: {"success": all passed, "outcome": "passed", "failed", "collection_error",
 * "no_tests", "infrastructure_error", "tests_passed", "tests_failed", "tests_skipped",
 * "tests_errored", "results": [{"test", "passed", "outcome", "output", "expected", "error",
 * "duration_ms"}], "junit_xml": text, "duration_ms"}. The outcome of a case is "passed", "failed",
 * "timeout" (counted as failed) or "infrastructure_error" (counted as errored: the case was not
 * tried); of a project's test "passed", "failed", "error" or "skipped". A project's output has
 * besides: "exit_code" (null: the runner did not end) and "output" of the runner, "error": null or
 * text, "coverage_percent": null or number, "left_out": [path].
 */
WR_PUBLIC struct wr_primitive *wr_tester_new(struct wr_client *client,
                                             const struct wr_tester_opts *opts,
                                             struct wr_error *err);

WR_END_DECLS
