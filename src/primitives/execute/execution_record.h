/* What is told about an execution when it has ended: attributes of its span, metrics, the
 * structured log record, and a row of the ledger. */
#pragma once

#include "base/base.h"
#include "warren/ledger.h"
#include "warren/sandbox.h"
#include "warren/workflow.h"

#define WR_EXECUTION_PRIMITIVE "CodeExecutionPrimitive"

/* Texts are borrowed. */
struct wr_execution_record {
    const char *language, *template_name; /* "": not known */
    size_t code_length;                   /* characters */
    size_t file_count;
    uint64_t timeout_ms;
    char sandbox_id[WR_SANDBOX_ID_MAX], backend[256]; /* "": there was none */
    bool leased, fresh;                               /* it had a sandbox, made for it */
    bool ran, succeeded;                              /* the code */
    double create_ms;                                 /* of the lease */
    double sandbox_ms;                                /* with files and packages */
    double run_ms, held_ms;
};

/* `workflow` is the execution's own scope, `err` NULL when it gave a result, `ledger` may be NULL.
 * A ledger that cannot be written is no reason to lose a result: it becomes a log record. */
void wr_execution_record_tell(const struct wr_execution_record *record,
                              struct wr_workflow *workflow, struct wr_ledger *ledger,
                              const struct wr_error *err);
