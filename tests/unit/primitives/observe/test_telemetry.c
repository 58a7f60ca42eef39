#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "json/value.h"
#include "primitives/core/workflow.h"
#include "primitives/observe/telemetry.h"
#include "recording_sender.h"
#include "test.h"

static void clear_environment(void)
{
    CHECK(unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT") == 0);
    CHECK(unsetenv("OTEL_EXPORTER_OTLP_HEADERS") == 0);
    CHECK(unsetenv("OTEL_RESOURCE_ATTRIBUTES") == 0);
    CHECK(unsetenv("OTEL_SERVICE_NAME") == 0);
}

TEST(without_a_collector)
{
    struct wr_error err = {0};
    clear_environment();
    struct wr_telemetry *telemetry = wr_telemetry_new(NULL, &err);
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .telemetry = telemetry), &err);
    uint8_t zero[WR_SPAN_ID_BYTES] = {0};

    CHECK(telemetry && !telemetry->exporter);
    /* Spans have ids all the same: log records and sandboxes get them. */
    struct wr_span *span = wr_span_begin(workflow, "s");
    CHECK(memcmp(wr_workflow_span_id(workflow), zero, sizeof zero) != 0);
    wr_span_set_int(span, "a", 1);
    wr_span_end(span, NULL);
    CHECK(memcmp(wr_workflow_span_id(workflow), zero, sizeof zero) == 0);
    CHECK_INT(wr_telemetry_flush(telemetry, NULL, &err), 0);
    wr_auto_value *stats = wr_telemetry_stats(telemetry);
    CHECK_INT(wr_value_int(stats, "spans_dropped", -1), 0);
    CHECK_INT(wr_value_int(stats, "queued", -1), 0);
    wr_workflow_free(workflow);
    wr_telemetry_free(telemetry);
}

TEST(accepts_nothing)
{
    struct wr_error err = {0};

    CHECK(!wr_telemetry_ref(NULL));
    CHECK(!wr_telemetry_free(NULL));
    CHECK(!wr_telemetry_prometheus(NULL));
    CHECK(!wr_telemetry_stats(NULL));
    CHECK_INT(wr_telemetry_flush(NULL, NULL, &err), 0);
    CHECK_INT(wr_telemetry_serve(NULL, NULL, 0, NULL, &err), -WR_E_INVALID_ARGUMENT);
    wr_metric_add(NULL, WR_METRIC_REQUESTS, NULL, 1);
    wr_metric_set(NULL, WR_METRIC_ACTIVE, NULL, 1);
    wr_metric_observe(NULL, WR_METRIC_DURATION, 1);
}

TEST(the_last_holder_frees)
{
    struct wr_error err = {0};
    clear_environment();
    struct wr_telemetry *telemetry = wr_telemetry_new(NULL, &err);
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .telemetry = telemetry), &err);

    wr_telemetry_free(telemetry);
    struct wr_span *span = wr_span_begin(workflow, "s");
    wr_workflow_free(workflow); /* the span holds it */
    CHECK(span);
    wr_span_end(span, NULL);
}

static void check_refused(const struct wr_telemetry_opts *opts, const char *word)
{
    struct wr_error err = {0};

    CHECK(!wr_telemetry_new(opts, &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    if (!strstr(err.msg, word))
        wr_test_fail(__FILE__, __LINE__, "%s has no \"%s\"", err.msg, word);
    CHECK(!strstr(err.msg, "secret"));
}

/* It has none of the threads that the last holder would wait for. */
TEST(a_forked_child_frees_nothing)
{
    struct wr_error err = {0};
    int status = 0;

    clear_environment();
    struct wr_telemetry *telemetry =
        wr_telemetry_new(WR_OPTS(wr_telemetry_opts, .otlp_endpoint = "http://127.0.0.1:1"), &err);
    CHECK(telemetry && telemetry->thread);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        _exit(wr_telemetry_free(telemetry) == NULL ? 0 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
    wr_telemetry_free(telemetry);
}

TEST(options_that_are_wrong)
{
    clear_environment();
    check_refused(WR_OPTS(wr_telemetry_opts, .otlp_endpoint = "ftp://host"), "OTLP endpoint");
    check_refused(WR_OPTS(wr_telemetry_opts, .otlp_endpoint = "http://h", .otlp_headers = "secret"),
                  "headers");
    check_refused(
        WR_OPTS(wr_telemetry_opts, .otlp_endpoint = "http://h", .otlp_headers = "a=secret%0a"),
        "control");
    check_refused(
        WR_OPTS(wr_telemetry_opts, .otlp_endpoint = "http://h", .otlp_headers = "Content-Length=1"),
        "Content-Length");
    check_refused(WR_OPTS(wr_telemetry_opts, .export_interval_ms = 86400001), "export_interval_ms");
    check_refused(WR_OPTS(wr_telemetry_opts, .max_queue = 1000001), "max_queue");
    CHECK(setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere", 1) == 0);
    check_refused(NULL, "OTLP endpoint");
    /* "" is none, whatever the environment says. */
    struct wr_error err = {0};
    struct wr_telemetry *telemetry =
        wr_telemetry_new(WR_OPTS(wr_telemetry_opts, .otlp_endpoint = ""), &err);
    CHECK(telemetry && !telemetry->exporter);
    wr_telemetry_free(telemetry);
}

TEST(figures)
{
    struct recorder recorder = {0};
    struct wr_telemetry *telemetry =
        recorder_telemetry(&recorder, WR_OPTS(wr_telemetry_opts, .max_queue = 2));
    struct wr_error err = {0};
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .telemetry = telemetry), &err);

    for (int i = 0; i < 3; i++)
        wr_span_end(wr_span_begin(workflow, "s"), NULL);
    wr_auto_value *before = wr_telemetry_stats(telemetry);
    CHECK_INT(wr_value_int(before, "spans_dropped", -1), 1);
    CHECK_INT(wr_value_int(before, "queued", -1), 2);
    CHECK_INT(wr_exporter_round(telemetry->exporter, true, &err), 0);
    wr_auto_value *after = wr_telemetry_stats(telemetry);
    CHECK_INT(wr_value_int(after, "spans_exported", -1), 2);
    CHECK_INT(wr_value_int(after, "queued", -1), 0);
    char *page = wr_telemetry_prometheus(telemetry);
    CHECK(page && strstr(page, "\nwarren_telemetry_spans_dropped_total 1\n"));
    wr_free(page);
    wr_workflow_free(workflow);
    wr_telemetry_free(telemetry);
    recorder_done(&recorder);
}
