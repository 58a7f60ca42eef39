#include "primitives/execute/execution_record.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "json/value.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/event.h"
#include "primitives/observe/metrics.h"

static const char *class_of(const struct wr_execution_record *record, const struct wr_error *err)
{
    if (err)
        return wr_error_class_name(wr_error_classify(err));
    return record->succeeded ? NULL : wr_error_class_name(WR_CLASS_CODE);
}

static void tell_span(const struct wr_execution_record *record, struct wr_span *span,
                      const char *error_class)
{
    wr_span_set_int(span, "code_length", (int64_t)record->code_length);
    wr_span_set_string(span, "language", record->language);
    wr_span_set_double(span, "timeout", (double)record->timeout_ms / 1e3);
    wr_span_set_bool(span, "has_files", record->file_count > 0);
    wr_span_set_bool(span, "success", record->succeeded);
    wr_span_set_double(span, "execution_time_ms", record->run_ms);
    wr_span_set_double(span, "sandbox_ms", record->sandbox_ms);
    if (*record->sandbox_id)
        wr_span_set_string(span, "sandbox_id", record->sandbox_id);
    if (error_class)
        wr_span_set_string(span, "error_class", error_class);
}

/* An error's text may end in the middle of a character. */
static json_t *message_of(const struct wr_error *err)
{
    return wr_value_json(wr_value_of_bytes(err->msg, strlen(err->msg)));
}

static void tell_log(const struct wr_execution_record *record, struct wr_workflow *workflow,
                     const struct wr_error *err, const char *error_class)
{
    const char *level = record->succeeded ? "info" : "warning";
    json_t *fields =
        json_pack("{s:b, s:f, s:I, s:f, s:s}", "success", record->succeeded, "execution_time_ms",
                  record->run_ms, "code_length", (json_int_t)record->code_length, "sandbox_ms",
                  record->sandbox_ms, "language", record->language);

    /* What does not fit into memory is left out; the record is sent with what there is. */
    if (*record->sandbox_id)
        (void)json_object_set_new(fields, "sandbox_id", json_string(record->sandbox_id));
    if (error_class)
        (void)json_object_set_new(fields, "error_class", json_string(error_class));
    if (err)
        (void)json_object_set_new(fields, "error", message_of(err));
    wr_telemetry_log(workflow, err ? "error" : level, "code_execution", WR_EXECUTION_PRIMITIVE,
                     fields);
}

static void tell_ledger(const struct wr_execution_record *record, struct wr_workflow *workflow,
                        struct wr_ledger *ledger, const struct wr_error *err)
{
    struct wr_error why;

    if (!ledger || (err && err->code == WR_E_INVALID_ARGUMENT))
        return;
    const struct wr_ledger_entry entry = {
        .struct_size = sizeof entry,
        .time_ms = (int64_t)wr_wall_ms(),
        .create_ms = record->leased && record->fresh ? record->create_ms : -1,
        .run_ms = record->run_ms,
        .held_ms = record->held_ms,
        .error_code = err ? err->code : 0,
        .code_succeeded = record->succeeded,
        .backend = record->backend,
        .template_name = record->template_name,
        .language = record->language,
    };
    if (wr_ledger_add(ledger, &entry, &why) < 0)
        wr_telemetry_log(workflow, "warning", "ledger_failed", WR_EXECUTION_PRIMITIVE,
                         json_pack("{s:o}", "error", message_of(&why)));
}

void wr_execution_record_tell(const struct wr_execution_record *record,
                              struct wr_workflow *workflow, struct wr_ledger *ledger,
                              const struct wr_error *err)
{
    struct wr_telemetry *telemetry = wr_workflow_telemetry(workflow);
    const char *error_class = class_of(record, err);

    wr_metric_add(telemetry, WR_METRIC_REQUESTS, NULL, 1);
    if (record->ran)
        wr_metric_observe(telemetry, WR_METRIC_DURATION, record->run_ms / 1e3);
    if (error_class)
        wr_metric_add(telemetry, WR_METRIC_ERRORS, error_class, 1);
    else
        wr_metric_add(telemetry, WR_METRIC_SUCCESS, NULL, 1);
    tell_span(record, wr_workflow_span(workflow), error_class);
    tell_log(record, workflow, err, error_class);
    tell_ledger(record, workflow, ledger, err);
}
