#include "primitives/core/workflow.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/options.h"
#include "base/rand.h"
#include "base/str.h"
#include "json/value.h"
#include "primitives/core/traceparent.h"

#define ID_MAX          256 /* bytes of an id, its NUL included */
#define MAX_CHECKPOINTS 1024

/* What all parts of one workflow have in common. */
struct shared {
    atomic_uint refs;
    char workflow_id[ID_MAX], correlation_id[ID_MAX], session_id[ID_MAX], tracestate[513];
    struct wr_traceparent trace; /* its span is the remote parent */
    struct wr_telemetry *telemetry;
    uint64_t start_us;
    pthread_mutex_t lock; /* of what follows */
    json_t *state;
    json_t *checkpoints;
};

struct wr_workflow {
    atomic_uint refs;
    struct shared *shared;
    struct wr_cancel *cancel; /* held */
    uint64_t deadline_ms;     /* of CLOCK_MONOTONIC; 0: none */
    wr_code_fn on_event;
    void *on_event_data;
    void *data;           /* borrowed, of the caller's own */
    struct wr_span *span; /* borrowed: whoever began it ends it */
    uint8_t span_id[WR_SPAN_ID_BYTES];
};

static struct shared *shared_unref(struct shared *shared)
{
    if (!shared || atomic_fetch_sub(&shared->refs, 1) != 1)
        return NULL;
    wr_telemetry_free(shared->telemetry);
    json_decref(shared->state);
    json_decref(shared->checkpoints);
    (void)pthread_mutex_destroy(&shared->lock);
    free(shared);
    return NULL;
}

struct wr_workflow *wr_workflow_free(struct wr_workflow *workflow)
{
    if (!workflow || atomic_fetch_sub(&workflow->refs, 1) != 1)
        return NULL;
    wr_cancel_free(workflow->cancel);
    shared_unref(workflow->shared);
    free(workflow);
    return NULL;
}

void wr_workflow_free_ptr(struct wr_workflow **workflow)
{
    *workflow = wr_workflow_free(*workflow);
}

struct wr_workflow *wr_workflow_ref(struct wr_workflow *workflow)
{
    if (workflow)
        atomic_fetch_add(&workflow->refs, 1);
    return workflow;
}

/* A given id, or a new UUID (RFC 9562, version 4). */
static int take_id(char out[static ID_MAX], const char *given, const char *what,
                   struct wr_error *err)
{
    uint8_t r[16];

    if (given)
        return wr_strcopy(out, ID_MAX, given)
                   ? 0
                   : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: longer than %d bytes", what,
                             ID_MAX - 1);
    wr_random_bytes(r, sizeof r);
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    (void)snprintf(out, ID_MAX,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0],
                   r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13],
                   r[14], r[15]);
    return 0;
}

static int fill_shared(struct shared *shared, const struct wr_workflow_opts *opts,
                       struct wr_error *err)
{
    if (!shared->state || !shared->checkpoints)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "workflow");
    int r = take_id(shared->workflow_id, opts->workflow_id, "workflow_id", err);
    if (r == 0)
        r = take_id(shared->correlation_id, opts->correlation_id, "correlation_id", err);
    if (r == 0)
        r = take_id(shared->session_id, opts->session_id ? opts->session_id : "", "session_id",
                    err);
    if (r < 0)
        return r;
    if (!opts->traceparent)
        wr_traceparent_random(&shared->trace);
    else if (!wr_traceparent_parse(opts->traceparent, &shared->trace))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "traceparent %.60s: not of the form 00-<32 hex>-<16 hex>-<2 hex>",
                       opts->traceparent);
    if (!wr_strcopy(shared->tracestate, sizeof shared->tracestate,
                    opts->tracestate ? opts->tracestate : ""))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "tracestate: longer than %zu bytes",
                       sizeof shared->tracestate - 1);
    return 0;
}

static struct shared *shared_new(const struct wr_workflow_opts *opts, struct wr_error *err)
{
    struct shared *shared = wr_calloc(1, sizeof *shared);

    if (!shared) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "workflow");
        return NULL;
    }
    atomic_init(&shared->refs, 1);
    (void)pthread_mutex_init(&shared->lock, NULL);
    shared->start_us = wr_mono_us();
    shared->state = json_object();
    shared->checkpoints = json_array();
    if (fill_shared(shared, opts, err) < 0)
        return shared_unref(shared);
    shared->telemetry = wr_telemetry_ref(opts->telemetry);
    return shared;
}

struct wr_workflow *wr_workflow_new(const struct wr_workflow_opts *given, struct wr_error *err)
{
    struct wr_workflow_opts opts;
    wr_auto_workflow *workflow = NULL;

    if (wr_options_read(given, &opts, sizeof opts, "wr_workflow_opts", err) < 0)
        return NULL;
    workflow = wr_calloc(1, sizeof *workflow);
    if (!workflow) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "workflow");
        return NULL;
    }
    atomic_init(&workflow->refs, 1);
    workflow->shared = shared_new(&opts, err);
    if (!workflow->shared)
        return NULL;
    /* A token of its own in any case: wr_workflow_cancel() must not fire the caller's. */
    workflow->cancel = wr_cancel_new(opts.cancel, err);
    if (!workflow->cancel)
        return NULL;
    workflow->deadline_ms = opts.timeout_ms ? wr_mono_end_ms(opts.timeout_ms) : 0;
    workflow->on_event = opts.on_event;
    workflow->on_event_data = opts.on_event_data;
    memcpy(workflow->span_id, workflow->shared->trace.span_id, sizeof workflow->span_id);
    return wr_steal_ptr(&workflow);
}

struct wr_workflow *wr_workflow_scope(struct wr_workflow *parent, const struct wr_scope_opts *opts,
                                      struct wr_error *err)
{
    static const struct wr_scope_opts none = {0};
    wr_auto_workflow *scope = wr_calloc(1, sizeof *scope);

    opts = opts ? opts : &none;
    if (!scope) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "workflow");
        return NULL;
    }
    atomic_init(&scope->refs, 1);
    scope->shared = parent->shared;
    atomic_fetch_add(&scope->shared->refs, 1);
    scope->deadline_ms = parent->deadline_ms;
    scope->on_event = parent->on_event;
    scope->on_event_data = parent->on_event_data;
    scope->data = parent->data;
    wr_workflow_set_span(scope, parent->span, parent->span_id);
    scope->cancel =
        opts->own_cancel ? wr_cancel_new(parent->cancel, err) : wr_cancel_ref(parent->cancel);
    if (!scope->cancel)
        return NULL;
    if (opts->timeout_ms) {
        uint64_t end = wr_mono_end_ms(opts->timeout_ms);
        scope->deadline_ms = parent->deadline_ms ? WR_MIN(end, parent->deadline_ms) : end;
    }
    if (opts->has_sink) {
        scope->on_event = opts->on_event;
        scope->on_event_data = opts->on_event_data;
    }
    return wr_steal_ptr(&scope);
}

struct wr_workflow *wr_workflow_child(struct wr_workflow *parent, uint64_t timeout_ms,
                                      struct wr_error *err)
{
    return wr_workflow_scope(
        parent, &(struct wr_scope_opts){.timeout_ms = timeout_ms, .own_cancel = true}, err);
}

/* ---- what it is ---- */

const char *wr_workflow_id(const struct wr_workflow *workflow)
{
    return workflow->shared->workflow_id;
}

const char *wr_workflow_correlation_id(const struct wr_workflow *workflow)
{
    return workflow->shared->correlation_id;
}

const char *wr_workflow_session_id(const struct wr_workflow *workflow)
{
    return workflow->shared->session_id;
}

const char *wr_workflow_tracestate(const struct wr_workflow *workflow)
{
    return workflow->shared->tracestate;
}

void wr_workflow_traceparent(const struct wr_workflow *workflow, char ret[56])
{
    struct wr_traceparent trace = workflow->shared->trace;

    memcpy(trace.span_id, workflow->span_id, sizeof trace.span_id);
    wr_traceparent_write(&trace, ret);
}

struct wr_telemetry *wr_workflow_telemetry(const struct wr_workflow *workflow)
{
    return workflow->shared->telemetry;
}

const uint8_t *wr_workflow_trace_id(const struct wr_workflow *workflow)
{
    return workflow->shared->trace.trace_id;
}

bool wr_workflow_sampled(const struct wr_workflow *workflow)
{
    return workflow->shared->trace.flags & 1;
}

struct wr_span *wr_workflow_span(const struct wr_workflow *workflow)
{
    return workflow->span;
}

const uint8_t *wr_workflow_span_id(const struct wr_workflow *workflow)
{
    return workflow->span_id;
}

void wr_workflow_set_span(struct wr_workflow *workflow, struct wr_span *span,
                          const uint8_t id[static WR_SPAN_ID_BYTES])
{
    workflow->span = span;
    memcpy(workflow->span_id, id, WR_SPAN_ID_BYTES);
}

bool wr_workflow_listens(const struct wr_workflow *workflow)
{
    return workflow->on_event;
}

int wr_workflow_emit(const struct wr_workflow *workflow, const struct wr_code_event *event)
{
    return workflow->on_event ? workflow->on_event(event, workflow->on_event_data) : 0;
}

/* ---- state ---- */

/* One holder more, or NULL: others may hold it too, and whoever is the last lets it go as values
 * are let go, not as jansson does. With the lock held. */
static struct wr_value *member_of(const struct shared *shared, const char *key)
{
    return wr_value_ref(wr_value_of_json(json_object_get(shared->state, key)));
}

int wr_workflow_set(struct wr_workflow *workflow, const char *key, struct wr_value *value,
                    struct wr_error *err)
{
    struct shared *shared = workflow->shared;

    (void)pthread_mutex_lock(&shared->lock);
    wr_auto_value *old = member_of(shared, key);
    int r = value ? json_object_set_new(shared->state, key, wr_value_json(value))
                  : (json_object_del(shared->state, key), 0);
    (void)pthread_mutex_unlock(&shared->lock);
    return r == 0 ? 0 : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "state %.60s: not UTF-8", key);
}

struct wr_value *wr_workflow_get(struct wr_workflow *workflow, const char *key)
{
    struct shared *shared = workflow->shared;

    (void)pthread_mutex_lock(&shared->lock);
    struct wr_value *value =
        key ? member_of(shared, key) : wr_value_of_json(json_copy(shared->state));
    (void)pthread_mutex_unlock(&shared->lock);
    return value;
}

int wr_workflow_update(struct wr_workflow *workflow, const char *key, wr_workflow_change_fn change,
                       void *data, struct wr_error *err)
{
    struct shared *shared = workflow->shared;

    (void)pthread_mutex_lock(&shared->lock);
    wr_auto_value *old = member_of(shared, key);
    struct wr_value *changed = change(old, data);
    int r = json_object_set_new(shared->state, key, wr_value_json(changed));
    (void)pthread_mutex_unlock(&shared->lock);
    return r == 0 ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "state %.60s", key);
}

static struct wr_value *one_more(const struct wr_value *old, void *data)
{
    (void)data;
    return wr_value_of_int(wr_value_int(old, NULL, 0) + 1);
}

void wr_workflow_count(struct wr_workflow *workflow, const char *key)
{
    struct wr_error ignored = {0};

    (void)!wr_workflow_update(workflow, key, one_more, NULL, &ignored);
}

void wr_workflow_set_data(struct wr_workflow *workflow, void *data)
{
    workflow->data = data;
}

void *wr_workflow_data(const struct wr_workflow *workflow)
{
    return workflow->data;
}

double wr_workflow_elapsed_ms(const struct wr_workflow *workflow)
{
    return (double)(wr_mono_us() - workflow->shared->start_us) / 1e3;
}

void wr_workflow_checkpoint(struct wr_workflow *workflow, const char *name)
{
    struct shared *shared = workflow->shared;
    json_t *entry =
        json_pack("{s:s, s:f}", "name", name, "elapsed_ms", wr_workflow_elapsed_ms(workflow));

    (void)pthread_mutex_lock(&shared->lock);
    if (entry && json_array_size(shared->checkpoints) < MAX_CHECKPOINTS)
        (void)json_array_append(shared->checkpoints, entry); /* one less when memory ran out */
    (void)pthread_mutex_unlock(&shared->lock);
    json_decref(entry);
}

struct wr_value *wr_workflow_checkpoints(struct wr_workflow *workflow)
{
    struct shared *shared = workflow->shared;

    (void)pthread_mutex_lock(&shared->lock);
    json_t *copy = json_copy(shared->checkpoints);
    (void)pthread_mutex_unlock(&shared->lock);
    return wr_value_of_json(copy);
}

/* ---- its end ---- */

void wr_workflow_cancel(struct wr_workflow *workflow)
{
    wr_cancel_fire(workflow->cancel);
}

int wr_workflow_check(const struct wr_workflow *workflow, struct wr_error *err)
{
    if (wr_cancel_fired(workflow->cancel))
        return wr_fail(err, WR_E_CANCELED, 0, "the workflow was canceled");
    if (workflow->deadline_ms && wr_mono_ms() >= workflow->deadline_ms)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "the workflow's time is over");
    return 0;
}

struct wr_wait wr_workflow_wait(const struct wr_workflow *workflow, uint64_t timeout_ms)
{
    struct wr_wait wait = {.timeout_ms = timeout_ms, .cancel = workflow->cancel};

    if (workflow->deadline_ms) {
        uint64_t now = wr_mono_ms();
        /* 0 would mean "no bound". */
        uint64_t left = now < workflow->deadline_ms ? workflow->deadline_ms - now : 1;
        wait.timeout_ms = timeout_ms ? WR_MIN(timeout_ms, left) : left;
    }
    return wait;
}
