#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "base/error.h"
#include "primitives/observe/export_thread.h"
#include "test.h"

/* A collector that answers nothing until it is told, or the exporter gives up. */
struct collector {
    int go, abort; /* eventfds */
    atomic_int requests;
};

static int send_slowly(void *self, const char *path, const struct wr_buf *body,
                       struct wr_error *err)
{
    struct collector *collector = self;
    struct pollfd fds[] = {{.fd = collector->go, .events = POLLIN},
                           {.fd = collector->abort, .events = POLLIN}};

    (void)path;
    CHECK(body->len > 0);
    atomic_fetch_add(&collector->requests, 1);
    CHECK(poll(fds, 2, -1) > 0);
    return fds[1].revents ? wr_fail(err, WR_E_CANCELED, 0, "aborted") : 0;
}

static void abort_sending(void *self)
{
    CHECK(eventfd_write(((struct collector *)self)->abort, 1) == 0);
}

struct scene {
    struct collector collector;
    struct wr_metric_store *metrics;
    struct wr_exporter *exporter;
    struct wr_export_thread *thread;
};

static void begin(struct scene *scene)
{
    struct wr_error err = {0};

    *scene = (struct scene){.collector = {.go = eventfd(0, 0), .abort = eventfd(0, 0)}};
    scene->metrics = wr_metric_store_new();
    CHECK_INT(wr_exporter_new(&(struct wr_exporter_opts){.sender = {.send = send_slowly,
                                                                    .abort = abort_sending,
                                                                    .self = &scene->collector},
                                                         .metrics = scene->metrics,
                                                         .resource = "{}",
                                                         .clock = wr_telemetry_system_clock},
                              &scene->exporter, &err),
              0);
    CHECK_INT(wr_export_thread_new(scene->exporter, &scene->thread, &err), 0);
}

#define LONG_MS  60000 /* not used up */
#define SHORT_MS 1     /* for a collector that would never answer */

static void end(struct scene *scene, uint64_t bound_ms)
{
    wr_export_thread_free(scene->thread, bound_ms);
    wr_exporter_free(scene->exporter);
    wr_metric_store_free(scene->metrics);
    close(scene->collector.go);
    close(scene->collector.abort);
}

TEST(a_flush_returns_when_all_was_sent)
{
    struct scene scene;
    struct wr_error err = {0};

    begin(&scene);
    CHECK(eventfd_write(scene.collector.go, 1) == 0);
    wr_exporter_push(scene.exporter, WR_SIGNAL_TRACES, "{}", 2);
    CHECK_INT(wr_export_thread_flush(scene.thread, NULL, &err), 0);
    CHECK(wr_metric_store_value(scene.metrics, WR_METRIC_SPANS_EXPORTED) == 1);
    end(&scene, LONG_MS);
}

TEST(a_flush_has_an_end_of_its_own)
{
    struct scene scene;
    struct wr_error err = {0};
    const struct wr_wait moment = {.timeout_ms = 1};

    begin(&scene);
    wr_exporter_push(scene.exporter, WR_SIGNAL_TRACES, "{}", 2);
    CHECK_INT(wr_export_thread_flush(scene.thread, &moment, &err), -WR_E_DEADLINE_EXCEEDED);

    struct wr_cancel *cancel = wr_cancel_new(NULL, &err);
    const struct wr_wait canceled = {.cancel = cancel};
    wr_cancel_fire(cancel);
    CHECK_INT(wr_export_thread_flush(scene.thread, &canceled, &err), -WR_E_CANCELED);
    wr_cancel_free(cancel);
    /* Neither is waited for any more. */
    CHECK(eventfd_write(scene.collector.go, 1) == 0);
    CHECK_INT(wr_export_thread_flush(scene.thread, NULL, &err), 0);
    end(&scene, LONG_MS);
}

static void *flush(void *data)
{
    struct wr_error err = {0};

    return wr_export_thread_flush(data, NULL, &err) == 0 ? data : NULL;
}

TEST(several_flush_at_once)
{
    struct scene scene;
    pthread_t threads[4];

    begin(&scene);
    wr_exporter_push(scene.exporter, WR_SIGNAL_TRACES, "{}", 2);
    for (size_t i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, flush, scene.thread), 0);
    CHECK(eventfd_write(scene.collector.go, 1) == 0);
    for (size_t i = 0; i < 4; i++) {
        void *result = NULL;
        CHECK_INT(pthread_join(threads[i], &result), 0);
        CHECK(result == scene.thread);
    }
    end(&scene, LONG_MS);
}

static void *push(void *data)
{
    const struct scene *scene = data;
    struct wr_error err = {0};

    for (int i = 0; i < 200; i++) {
        wr_exporter_push(scene->exporter, i % 2 ? WR_SIGNAL_TRACES : WR_SIGNAL_LOGS, "{}", 2);
        wr_metric_store_observe(scene->metrics, WR_METRIC_DURATION, i);
        wr_metric_store_add(scene->metrics, WR_METRIC_ERRORS, i % 3 ? "code" : "service", 1);
        if (i % 50 == 0)
            CHECK_INT(wr_export_thread_flush(scene->thread, NULL, &err), 0);
    }
    return NULL;
}

TEST(several_threads_push_while_it_sends)
{
    struct scene scene;
    struct wr_error err = {0};
    pthread_t threads[4];

    begin(&scene);
    CHECK(eventfd_write(scene.collector.go, 1) == 0);
    for (size_t i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, push, &scene), 0);
    for (size_t i = 0; i < 4; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(wr_export_thread_flush(scene.thread, NULL, &err), 0);
    CHECK(wr_metric_store_value(scene.metrics, WR_METRIC_SPANS_EXPORTED) == 400);
    CHECK(wr_metric_store_value(scene.metrics, WR_METRIC_LOGS_EXPORTED) == 400);
    CHECK(wr_metric_store_value(scene.metrics, WR_METRIC_QUEUED) == 0);
    end(&scene, LONG_MS);
}

TEST(a_collector_that_hangs_does_not_hold_the_end)
{
    struct scene scene;

    begin(&scene);
    wr_exporter_push(scene.exporter, WR_SIGNAL_TRACES, "{}", 2);
    end(&scene, SHORT_MS); /* returns at all: the collector never answers */
    CHECK(atomic_load(&scene.collector.requests) > 0);
}
