/* What the audit log says of executions. */
#pragma once

#include "primitives/core/workflow.h"
#include "primitives/secure/redacted_value.h"
#include "warren/secure.h"

/* All borrowed. */
struct wr_secure_audit {
    struct wr_audit *audit; /* NULL: none, and nothing is written */
    const struct wr_workflow *workflow;
    const struct wr_redactor *redactor; /* of the code, if it is written down; may be NULL */
    const char *code, *language;
    bool with_code;
    const struct wr_value *report; /* of the policy; may be NULL */
    char execution[21];            /* joins the lines of one execution */
};

/* An id for `execution`. */
void wr_secure_audit_begin(struct wr_secure_audit *audit);
/* It runs now. */
int wr_secure_audit_start(const struct wr_secure_audit *audit, struct wr_error *err) WR_MUST_CHECK;
/* It does not run: `why` is the error. */
int wr_secure_audit_refused(const struct wr_secure_audit *audit, const struct wr_error *why,
                            struct wr_error *err) WR_MUST_CHECK;
/* It has ended: with an output, redacted, or (NULL) with the error `failure`. */
int wr_secure_audit_end(const struct wr_secure_audit *audit, const json_t *output,
                        const struct wr_error *failure, const struct wr_redacted_sum *sum,
                        struct wr_error *err) WR_MUST_CHECK;
