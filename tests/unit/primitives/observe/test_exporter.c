#include "primitives/observe/exporter.h"
#include "recording_sender.h"
#include "test.h"

#define SECOND ((uint64_t)1000000) /* in us */

struct scene {
    struct recorder recorder;
    struct wr_metric_store *metrics;
    struct wr_exporter *exporter;
    int batches;
};

static void begin(struct scene *scene, size_t max_queue)
{
    struct wr_error err = {0};

    *scene = (struct scene){.recorder = {.mono_us = 1000 * SECOND, .wall_us = 5000 * SECOND}};
    scene->metrics = wr_metric_store_new();
    CHECK_INT(
        wr_exporter_new(&(struct wr_exporter_opts){.sender = recorder_sender(&scene->recorder),
                                                   .metrics = scene->metrics,
                                                   .resource = "{}",
                                                   .max_queue = max_queue,
                                                   .clock = recorder_clock(&scene->recorder)},
                        &scene->exporter, &err),
        0);
}

static void end(struct scene *scene)
{
    wr_exporter_free(scene->exporter);
    wr_metric_store_free(scene->metrics);
    recorder_done(&scene->recorder);
}

static void push(struct scene *scene, int count)
{
    for (int i = 0; i < count; i++)
        wr_exporter_push(scene->exporter, WR_SIGNAL_TRACES, "{}", 2);
}

static void round_of(struct scene *scene, bool all)
{
    struct wr_error err = {0};

    (void)!wr_exporter_round(scene->exporter, all, &err);
}

static double value(const struct scene *scene, enum wr_metric metric)
{
    return wr_metric_store_value(scene->metrics, metric);
}

/* Requests to a path so far. */
static int requests(const struct scene *scene, const char *path)
{
    int count = 0;

    for (size_t i = 0; i < scene->recorder.count; i++)
        count += strcmp(scene->recorder.paths[i], path) == 0;
    return count;
}

TEST(what_overflows_is_counted)
{
    struct scene scene;

    begin(&scene, 5);
    push(&scene, 5);
    CHECK(value(&scene, WR_METRIC_SPANS_DROPPED) == 0);
    CHECK(value(&scene, WR_METRIC_QUEUED) == 5);
    push(&scene, 2);
    CHECK(value(&scene, WR_METRIC_SPANS_DROPPED) == 2);
    CHECK(value(&scene, WR_METRIC_QUEUED) == 5);
    wr_exporter_push(scene.exporter, WR_SIGNAL_LOGS, "{}", 2); /* has a queue of its own */
    CHECK(value(&scene, WR_METRIC_LOGS_DROPPED) == 0);
    round_of(&scene, false);
    CHECK_INT(json_array_size(recorded(&scene.recorder, 0)), 5);
    CHECK(value(&scene, WR_METRIC_SPANS_EXPORTED) == 5);
    CHECK(value(&scene, WR_METRIC_LOGS_EXPORTED) == 1);
    CHECK(value(&scene, WR_METRIC_QUEUED) == 0);
    end(&scene);
}

TEST(many_go_in_batches)
{
    struct scene scene;

    begin(&scene, 0);
    push(&scene, WR_EXPORT_BATCH + 1);
    round_of(&scene, false);
    CHECK_INT(requests(&scene, "/v1/traces"), 2);
    CHECK_INT(json_array_size(recorded(&scene.recorder, 0)), WR_EXPORT_BATCH);
    CHECK_INT(json_array_size(recorded(&scene.recorder, 1)), 1);
    end(&scene);
}

static void count_batch(void *data)
{
    ((struct scene *)data)->batches++;
}

TEST(a_whole_batch_is_told_and_due_at_once)
{
    struct scene scene;

    begin(&scene, 0);
    wr_exporter_on_batch(scene.exporter, count_batch, &scene);
    round_of(&scene, false);
    CHECK_INT(wr_exporter_due_ms(scene.exporter), 1000000 + WR_EXPORT_INTERVAL_MS);
    push(&scene, WR_EXPORT_BATCH - 1);
    CHECK_INT(scene.batches, 0);
    CHECK_INT(wr_exporter_due_ms(scene.exporter), 1000000 + WR_EXPORT_INTERVAL_MS);
    push(&scene, 1);
    CHECK_INT(scene.batches, 1);
    CHECK(wr_exporter_due_ms(scene.exporter) <= 1000000);
    end(&scene);
}

TEST(metrics_go_once_in_an_interval)
{
    struct scene scene;

    begin(&scene, 0);
    round_of(&scene, false);
    CHECK_INT(requests(&scene, "/v1/metrics"), 1);
    scene.recorder.mono_us += WR_EXPORT_INTERVAL_MS * 1000 - 1000;
    round_of(&scene, false);
    CHECK_INT(requests(&scene, "/v1/metrics"), 1);
    scene.recorder.mono_us += 1000;
    round_of(&scene, false);
    CHECK_INT(requests(&scene, "/v1/metrics"), 2);
    round_of(&scene, true);
    CHECK_INT(requests(&scene, "/v1/metrics"), 3);
    end(&scene);
}

TEST(a_batch_is_sent_again_with_growing_pauses_and_dropped_in_the_end)
{
    struct scene scene;
    uint64_t due_ms = 0;

    begin(&scene, 0);
    scene.recorder.answer = WR_EXPORT_AGAIN;
    push(&scene, 3);
    round_of(&scene, false);
    for (unsigned attempt = 1; attempt < WR_EXPORT_MAX_ATTEMPTS; attempt++) {
        uint64_t now_ms = scene.recorder.mono_us / 1000;
        uint64_t pause_ms = (uint64_t)WR_EXPORT_BACKOFF_MS << (attempt - 1);
        CHECK_INT(requests(&scene, "/v1/traces"), attempt);
        CHECK(value(&scene, WR_METRIC_SPANS_DROPPED) == 0);
        CHECK(value(&scene, WR_METRIC_QUEUED) == 3);
        /* Metrics may be due before, and say nothing about the batch. */
        scene.recorder.mono_us += (pause_ms / 2 - 1) * 1000;
        round_of(&scene, false);
        CHECK_INT(requests(&scene, "/v1/traces"), attempt);
        due_ms = now_ms + pause_ms + pause_ms / 2;
        scene.recorder.mono_us = due_ms * 1000;
        CHECK(wr_exporter_due_ms(scene.exporter) <= due_ms);
        round_of(&scene, false);
    }
    CHECK_INT(requests(&scene, "/v1/traces"), WR_EXPORT_MAX_ATTEMPTS);
    CHECK(value(&scene, WR_METRIC_SPANS_DROPPED) == 3);
    CHECK(value(&scene, WR_METRIC_QUEUED) == 0);
    CHECK(value(&scene, WR_METRIC_SPANS_EXPORTED) == 0);
    CHECK(value(&scene, WR_METRIC_EXPORTS_FAILED) >= WR_EXPORT_MAX_ATTEMPTS);
    end(&scene);
}

TEST(the_collectors_word_counts)
{
    struct scene scene;

    begin(&scene, 0);
    scene.recorder.answer = WR_EXPORT_AGAIN;
    scene.recorder.retry_after_ms = 20000;
    push(&scene, 1);
    round_of(&scene, false);
    scene.recorder.answer = 0;
    scene.recorder.mono_us += 19999000;
    round_of(&scene, false);
    CHECK_INT(requests(&scene, "/v1/traces"), 1);
    scene.recorder.mono_us += 1000;
    round_of(&scene, false);
    CHECK_INT(requests(&scene, "/v1/traces"), 2);
    CHECK(value(&scene, WR_METRIC_SPANS_EXPORTED) == 1);

    scene.recorder.answer = WR_EXPORT_AGAIN;
    scene.recorder.retry_after_ms = 3600000; /* believed up to a bound */
    push(&scene, 1);
    round_of(&scene, false);
    scene.recorder.mono_us += (uint64_t)WR_EXPORT_RETRY_AFTER_MAX_MS * 1000;
    scene.recorder.answer = 0;
    round_of(&scene, false);
    CHECK(value(&scene, WR_METRIC_SPANS_EXPORTED) == 2);
    end(&scene);
}

TEST(what_is_refused_is_dropped_at_once)
{
    struct scene scene;

    begin(&scene, 0);
    scene.recorder.answer = -WR_E_INVALID_ARGUMENT;
    push(&scene, 2);
    round_of(&scene, false);
    CHECK(value(&scene, WR_METRIC_SPANS_DROPPED) == 2);
    CHECK(value(&scene, WR_METRIC_QUEUED) == 0);
    scene.recorder.answer = 0;
    round_of(&scene, true);
    CHECK_INT(requests(&scene, "/v1/traces"), 1);
    end(&scene);
}

TEST(a_flush_does_not_wait_for_the_pause_and_reports)
{
    struct scene scene;
    struct wr_error err = {0};

    begin(&scene, 0);
    scene.recorder.answer = WR_EXPORT_AGAIN;
    push(&scene, 1);
    CHECK_INT(wr_exporter_round(scene.exporter, true, &err), -WR_E_UNAVAILABLE);
    CHECK_STR(err.msg, "told to fail");
    scene.recorder.answer = 0;
    CHECK_INT(wr_exporter_round(scene.exporter, true, &err), 0);
    CHECK(value(&scene, WR_METRIC_SPANS_EXPORTED) == 1);
    end(&scene);
}

TEST(while_one_batch_waits_others_overflow)
{
    struct scene scene;

    begin(&scene, 4);
    scene.recorder.answer = WR_EXPORT_AGAIN;
    push(&scene, 4);
    round_of(&scene, false);
    push(&scene, 6);
    CHECK(value(&scene, WR_METRIC_SPANS_DROPPED) == 2);
    CHECK(value(&scene, WR_METRIC_QUEUED) == 8);
    end(&scene);
}

TEST(metrics_are_cumulative_from_the_start)
{
    struct scene scene;

    begin(&scene, 0);
    wr_metric_store_add(scene.metrics, WR_METRIC_REQUESTS, NULL, 2);
    wr_metric_store_observe(scene.metrics, WR_METRIC_DURATION, 0.01);
    wr_metric_store_observe(scene.metrics, WR_METRIC_DURATION, 1000);
    wr_metric_store_set(scene.metrics, WR_METRIC_POOL, "idle", 3);
    scene.recorder.wall_us -= SECOND; /* a clock that went back: no negative interval */
    round_of(&scene, true);
    const json_t *sum = json_object_get(
        recorded_metric(&scene.recorder, 0, "code_execution_requests_total"), "sum");
    CHECK_INT(json_integer_value(json_object_get(sum, "aggregationTemporality")), 2);
    CHECK(json_is_true(json_object_get(sum, "isMonotonic")));
    const json_t *point = json_array_get(json_object_get(sum, "dataPoints"), 0);
    CHECK(json_number_value(json_object_get(point, "asDouble")) == 2);
    CHECK_STR(json_string_value(json_object_get(point, "startTimeUnixNano")), "5000000000000");
    CHECK_STR(json_string_value(json_object_get(point, "timeUnixNano")), "5000000000000");

    const json_t *histogram = json_object_get(
        recorded_metric(&scene.recorder, 0, "code_execution_duration_seconds"), "histogram");
    point = json_array_get(json_object_get(histogram, "dataPoints"), 0);
    const json_t *counts = json_object_get(point, "bucketCounts");
    CHECK_STR(json_string_value(json_object_get(point, "count")), "2");
    CHECK_INT(json_array_size(counts),
              json_array_size(json_object_get(point, "explicitBounds")) + 1);
    CHECK_STR(json_string_value(json_array_get(counts, 0)), "1");
    CHECK_STR(json_string_value(json_array_get(counts, json_array_size(counts) - 1)), "1");

    const json_t *gauge = json_object_get(
        recorded_metric(&scene.recorder, 0, "code_execution_pool_sandboxes"), "gauge");
    point = json_array_get(json_object_get(gauge, "dataPoints"), 0);
    CHECK_STR(attribute_text(point, "state"), "idle");
    CHECK(!json_object_get(gauge, "aggregationTemporality"));
    end(&scene);
}
