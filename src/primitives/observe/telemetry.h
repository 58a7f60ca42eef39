/* The inside of struct wr_telemetry, for this folder; the public side is warren/telemetry.h. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "primitives/observe/export_thread.h"
#include "primitives/observe/metric_store.h"
#include "primitives/observe/prometheus_server.h"
#include "primitives/observe/telemetry_clock.h"

struct wr_telemetry {
    atomic_uint refs;
    pid_t owner; /* whose threads and connections they are: not a forked child's */
    wr_log_fn on_log;
    void *on_log_data;
    struct wr_telemetry_clock clock;
    struct wr_metric_store *metrics; /* owned */
    struct wr_exporter *exporter;    /* owned; NULL: no collector */
    struct wr_export_thread *thread; /* owned; NULL without exporter */
    pthread_mutex_t lock;            /* of `server` */
    struct wr_prometheus_server *server;
};

/* What tests put in the place of the system's clock and of HTTP; members that are NULL stay. */
struct wr_telemetry_seams {
    const struct wr_telemetry_clock *clock;
    const struct wr_export_sender *sender; /* an exporter without a thread */
};
struct wr_telemetry *wr_telemetry_make(const struct wr_telemetry_opts *opts,
                                       const struct wr_telemetry_seams *seams,
                                       struct wr_error *err);

uint64_t wr_telemetry_mono_us(const struct wr_telemetry *telemetry);
uint64_t wr_telemetry_wall_us(const struct wr_telemetry *telemetry);
