#include "primitives/observe/telemetry.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/observe/export_thread.h"
#include "primitives/observe/otlp_http.h"
#include "primitives/observe/prometheus_page.h"
#include "primitives/observe/resource.h"

#define RESOURCE_MAX    ((size_t)64 * 1024) /* bytes of its JSON */
#define INTERVAL_MAX_MS 86400000
#define QUEUE_MAX       1000000

uint64_t wr_telemetry_mono_us(const struct wr_telemetry *telemetry)
{
    return telemetry->clock.mono_us(telemetry->clock.self);
}

uint64_t wr_telemetry_wall_us(const struct wr_telemetry *telemetry)
{
    return telemetry->clock.wall_us(telemetry->clock.self);
}

/* ---- its life ---- */

struct wr_telemetry *wr_telemetry_ref(struct wr_telemetry *telemetry)
{
    if (telemetry)
        atomic_fetch_add(&telemetry->refs, 1);
    return telemetry;
}

struct wr_telemetry *wr_telemetry_free(struct wr_telemetry *telemetry)
{
    if (!telemetry || atomic_fetch_sub(&telemetry->refs, 1) != 1)
        return NULL;
    /* In a forked child there are no threads to wait for, and ending a TLS session would write into
     * its parent's. */
    if (telemetry->owner != getpid())
        return NULL;
    wr_prometheus_server_free(telemetry->server);
    wr_export_thread_free(telemetry->thread, WR_EXPORT_SHUTDOWN_MS);
    wr_exporter_free(telemetry->exporter);
    wr_metric_store_free(telemetry->metrics);
    (void)pthread_mutex_destroy(&telemetry->lock);
    free(telemetry);
    return NULL;
}

/* NULL: none is wanted. */
static const char *option_or_environment(const char *option, const char *name)
{
    const char *text = option ? option : getenv(name);

    return text && *text ? text : NULL;
}

static int check(const struct wr_telemetry_opts *opts, struct wr_error *err)
{
    if (opts->export_interval_ms > INTERVAL_MAX_MS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "export_interval_ms: at most a day");
    if (opts->max_queue > QUEUE_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "max_queue: at most %d", QUEUE_MAX);
    return 0;
}

static int make_exporter(struct wr_telemetry *telemetry, const struct wr_telemetry_opts *opts,
                         const struct wr_export_sender *sender, struct wr_error *err)
{
    wr_auto_buf resource = WR_BUF(RESOURCE_MAX);

    int r = wr_resource_write(opts->service_name, &resource, err);
    if (r < 0)
        return r;
    const char *text = wr_buf_cstr(&resource);
    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "telemetry");
    return wr_exporter_new(&(struct wr_exporter_opts){.sender = *sender,
                                                      .metrics = telemetry->metrics,
                                                      .resource = text,
                                                      .interval_ms = opts->export_interval_ms,
                                                      .max_queue = opts->max_queue,
                                                      .clock = telemetry->clock},
                           &telemetry->exporter, err);
}

/* To the collector that the options or the environment name, if they do. */
static int connect_collector(struct wr_telemetry *telemetry, const struct wr_telemetry_opts *opts,
                             struct wr_error *err)
{
    const char *url = option_or_environment(opts->otlp_endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT");
    const char *headers = option_or_environment(opts->otlp_headers, "OTEL_EXPORTER_OTLP_HEADERS");
    struct wr_export_sender sender = {0};

    if (!url)
        return 0;
    int r = wr_otlp_http_new(url, headers, &sender, err);
    if (r < 0)
        return r;
    r = make_exporter(telemetry, opts, &sender, err);
    if (r < 0) {
        sender.free(sender.self);
        return r;
    }
    return wr_export_thread_new(telemetry->exporter, &telemetry->thread, err);
}

struct wr_telemetry *wr_telemetry_make(const struct wr_telemetry_opts *given,
                                       const struct wr_telemetry_seams *seams, struct wr_error *err)
{
    struct wr_telemetry_opts opts;

    if (wr_options_read(given, &opts, sizeof opts, "wr_telemetry_opts", err) < 0 ||
        check(&opts, err) < 0)
        return NULL;
    struct wr_telemetry *telemetry = wr_calloc(1, sizeof *telemetry);
    if (!telemetry) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "telemetry");
        return NULL;
    }
    atomic_init(&telemetry->refs, 1);
    telemetry->owner = getpid();
    (void)pthread_mutex_init(&telemetry->lock, NULL);
    telemetry->on_log = opts.on_log;
    telemetry->on_log_data = opts.on_log_data;
    telemetry->clock = seams->clock ? *seams->clock : wr_telemetry_system_clock;
    telemetry->metrics = wr_metric_store_new();
    int r = telemetry->metrics ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "telemetry");
    if (r == 0)
        r = seams->sender ? make_exporter(telemetry, &opts, seams->sender, err)
                          : connect_collector(telemetry, &opts, err);
    return r == 0 ? telemetry : wr_telemetry_free(telemetry);
}

struct wr_telemetry *wr_telemetry_new(const struct wr_telemetry_opts *opts, struct wr_error *err)
{
    return wr_telemetry_make(opts, &(const struct wr_telemetry_seams){0}, err);
}

/* ---- what it tells ---- */

char *wr_telemetry_prometheus(struct wr_telemetry *telemetry)
{
    struct wr_buf page = WR_BUF(WR_PROMETHEUS_PAGE_MAX);

    if (!telemetry)
        return NULL;
    char *text = wr_prometheus_page(telemetry->metrics, &page) == 0 ? wr_buf_cstr(&page) : NULL;
    if (!text)
        wr_buf_done(&page);
    return text; /* nothing was consumed: it is what malloc gave */
}

int wr_telemetry_serve(struct wr_telemetry *telemetry, const char *address, uint16_t port,
                       uint16_t *ret_port, struct wr_error *err)
{
    int r = 0;

    if (!telemetry)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "there is no telemetry to serve");
    port = port ? port : WR_PROMETHEUS_PORT;
    (void)pthread_mutex_lock(&telemetry->lock);
    if (telemetry->server)
        r = wr_fail(err, WR_E_ALREADY_EXISTS, 0, "the metrics are served already");
    else
        r = wr_prometheus_server_new(telemetry->metrics, address ? address : "127.0.0.1", port,
                                     &telemetry->server, err);
    (void)pthread_mutex_unlock(&telemetry->lock);
    if (r == 0 && ret_port)
        *ret_port = port;
    return r;
}

int wr_telemetry_flush(struct wr_telemetry *telemetry, const struct wr_wait *wait,
                       struct wr_error *err)
{
    return telemetry && telemetry->thread ? wr_export_thread_flush(telemetry->thread, wait, err)
                                          : 0;
}

struct wr_value *wr_telemetry_stats(struct wr_telemetry *telemetry)
{
    static const struct {
        const char *name;
        enum wr_metric metric;
    } figures[] = {
        {"spans_exported", WR_METRIC_SPANS_EXPORTED}, {"spans_dropped", WR_METRIC_SPANS_DROPPED},
        {"logs_exported", WR_METRIC_LOGS_EXPORTED},   {"logs_dropped", WR_METRIC_LOGS_DROPPED},
        {"exports_failed", WR_METRIC_EXPORTS_FAILED}, {"queued", WR_METRIC_QUEUED},
    };
    wr_auto_json *stats = telemetry ? json_object() : NULL;

    if (!stats)
        return NULL;
    for (size_t i = 0; i < WR_ARRAY_SIZE(figures); i++) {
        double value = wr_metric_store_value(telemetry->metrics, figures[i].metric);
        if (json_object_set_new(stats, figures[i].name, json_integer((json_int_t)value)) < 0)
            return NULL;
    }
    return wr_value_of_json(wr_steal_ptr(&stats));
}
