/* A collector in memory: keeps what it gets, and answers as it was told. And a clock that the test
 * moves. */
#pragma once

#include <jansson.h>

#include "primitives/observe/telemetry.h"

#define RECORDED_MAX 64

struct recorder {
    uint64_t mono_us, wall_us;
    /* What the next requests are answered with: 0, WR_EXPORT_AGAIN or -WR_E_*. */
    int answer;
    uint32_t retry_after_ms;
    size_t count; /* of requests */
    char paths[RECORDED_MAX][16];
    json_t *bodies[RECORDED_MAX];
};

struct wr_export_sender recorder_sender(struct recorder *recorder);
struct wr_telemetry_clock recorder_clock(struct recorder *recorder);
/* With both of it; fails the test without one. The options may be NULL. */
struct wr_telemetry *recorder_telemetry(struct recorder *recorder,
                                        const struct wr_telemetry_opts *opts);
void recorder_done(struct recorder *recorder);

/* The records of a request for traces or logs, borrowed. */
const json_t *recorded(const struct recorder *recorder, size_t request);
/* The value of an attribute of a record, as it stands below "value"; NULL: there is none. */
const json_t *attribute(const json_t *record, const char *key);
/* The same as text: that of a string, of a whole number, "true". */
const char *attribute_text(const json_t *record, const char *key);
/* The metric of that name in a request for metrics. */
const json_t *recorded_metric(const struct recorder *recorder, size_t request, const char *name);
