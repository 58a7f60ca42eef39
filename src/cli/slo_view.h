/* The service level as `warren slo` and `warren bench-slo` show it, and the options for its
 * targets. */
#pragma once

#include "cli/opts.h"
#include "warren/ledger.h"

struct wr_slo_values {
    uint64_t create_p95_ms; /* 0: not given */
    const char *success;    /* NULL: not given */
    bool json;
};

/* clang-format off */
#define WR_SLO_OPTS(base)                                                                          \
    {"create-p95", 0, WR_OPT_U64, (base) + offsetof(struct wr_slo_values, create_p95_ms), "MS",    \
     "target: 95 of 100 sandboxes are made in so many milliseconds (200)", 1, 3600000, false,      \
     NULL},                                                                                        \
    {"success", 0, WR_OPT_STRING, (base) + offsetof(struct wr_slo_values, success), "RATE",        \
     "target: part of the executions without an error of the service (0.99)", 0, 0, false, NULL},  \
    {"json", 0, WR_OPT_FLAG, (base) + offsetof(struct wr_slo_values, json), NULL,                  \
     "print one JSON object", 0, 0, false, NULL}
/* clang-format on */

/* Of the last `period_s` seconds. The exit status: 0, 1 when a target was missed; or -WR_E_*. */
int wr_slo_show(struct wr_ledger *ledger, uint64_t period_s, const struct wr_slo_values *values,
                struct wr_error *err) WR_MUST_CHECK;
/* INVALID_ARGUMENT for a rate that is no number above 0 and at most 1. */
int wr_slo_rate_read(const char *text, double *ret, struct wr_error *err) WR_MUST_CHECK;
