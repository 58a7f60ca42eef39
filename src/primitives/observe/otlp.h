/*
 * OTLP as JSON (opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): ids are hex, 64-bit
 * integers are strings, enums numbers, names in camelCase.
 */
#pragma once

#include <jansson.h>

#include "json/jwrite.h"
#include "primitives/observe/metric_store.h"

#define WR_OTLP_TEXT_MAX   4096                 /* bytes of one text; the rest is left out */
#define WR_OTLP_RECORD_MAX ((size_t)512 * 1024) /* bytes of one span or log record, encoded */

enum wr_signal {
    WR_SIGNAL_TRACES = 0,
    WR_SIGNAL_LOGS = 1,
    WR_SIGNAL_METRICS = 2,
    WR_SIGNAL_COUNT_
};

/* "/v1/traces", ...; constant. */
const char *wr_otlp_path(enum wr_signal signal);

/* The document of a request around the records that are appended between the two. 0 or -errno. */
int wr_otlp_begin(struct wr_buf *body, enum wr_signal signal, const char *resource) WR_MUST_CHECK;
int wr_otlp_end(struct wr_buf *body) WR_MUST_CHECK;
/* All metrics that have a value, as records; sums since `start_us`. 0 or -errno. */
int wr_otlp_metrics(struct wr_metric_store *store, uint64_t start_us, uint64_t now_us,
                    struct wr_buf *body) WR_MUST_CHECK;

/* `key: "<number>"`. */
void wr_otlp_number(struct wr_jw *w, const char *key, uint64_t number);
void wr_otlp_time(struct wr_jw *w, const char *key, uint64_t time_us);
void wr_otlp_hex(struct wr_jw *w, const char *key, const uint8_t *id, size_t len);
/* Elements of an array of attributes. */
void wr_otlp_string(struct wr_jw *w, const char *key, const char *text);
void wr_otlp_int(struct wr_jw *w, const char *key, int64_t number);
void wr_otlp_double(struct wr_jw *w, const char *key, double number);
void wr_otlp_bool(struct wr_jw *w, const char *key, bool truth);
/* Of any kind; arrays and objects as their JSON text. */
void wr_otlp_json(struct wr_jw *w, const char *key, const json_t *value);
/* `key: <number>`; what is no number as proto3 JSON has it, a string. */
void wr_otlp_real(struct wr_jw *w, const char *key, double number);
