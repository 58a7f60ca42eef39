/* What came of a project's tests: the runner's exit status and its report, put together. */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/error.h"

struct wr_project_verdict {
    bool ended; /* the runner did, with `exit_code` */
    int exit_code;
    double duration_ms;
    json_t *output;    /* owned: of the runner */
    json_t *junit_xml; /* owned: its report; NULL: none that is text */
    json_t *cases;     /* owned: from the report; NULL: there was none */
    size_t passed, failed, errored, skipped;
    double coverage_percent;
    bool has_coverage;
    const char *outcome; /* "timeout" and infrastructure say it; else the status does */
    char error[240];
};

/* Takes the text of scripts/report_summary.py, which came out of the sandbox. */
void wr_project_verdict_report(struct wr_project_verdict *verdict, const char *summary);
void wr_project_verdict_timeout(struct wr_project_verdict *verdict, uint64_t timeout_ms);
void wr_project_verdict_infrastructure(struct wr_project_verdict *verdict,
                                       const struct wr_error *why);
/* The output of the primitive. `left_out` is borrowed. */
int wr_project_verdict_output(struct wr_project_verdict *verdict, json_t *left_out, json_t **ret,
                              struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed one. */
void wr_project_verdict_done(struct wr_project_verdict *verdict);
