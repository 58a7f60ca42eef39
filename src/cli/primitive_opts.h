/* The options with which `warren run` executes a file through primitives. */
#pragma once

#include "cli/backend.h"
#include "cli/opts.h"

struct wr_primitive_values {
    uint64_t retry, pool; /* 0: not given */
    bool cache;
    uint64_t cache_ttl_ms; /* 0: not given */
    bool redact;
    struct wr_opt_list redact_patterns;
    const char *policy; /* "default", a file, or NULL */
    const char *audit;
    bool fallback;
    uint64_t backend; /* enum wr_backend_choice */
    struct wr_opt_list install;
    const char *metrics, *otlp;
};

#define WR_PRIMITIVE_ROW(base, member) ((base) + offsetof(struct wr_primitive_values, member))
/* clang-format off */
#define WR_PRIMITIVE_OPTS(base)                                                                    \
    {"retry", 0, WR_OPT_U64, WR_PRIMITIVE_ROW(base, retry), "N",                                   \
     "primitives: try N times more when the service fails", 1, 100, false},                        \
    {"cache", 0, WR_OPT_FLAG, WR_PRIMITIVE_ROW(base, cache), NULL,                                 \
     "primitives: keep successful results, and take them from there", 0, 0, false},                \
    {"cache-ttl", 0, WR_OPT_DURATION, WR_PRIMITIVE_ROW(base, cache_ttl_ms), "TIME",                \
     "primitives: how long results are kept (1h)", 1, (uint64_t)365 * 86400000, false},            \
    {"pool", 0, WR_OPT_U64, WR_PRIMITIVE_ROW(base, pool), "N",                                     \
     "primitives: run all FILEs, N at once, out of a pool of sandboxes", 1, 64, false},            \
    {"redact", 0, WR_OPT_FLAG, WR_PRIMITIVE_ROW(base, redact), NULL,                               \
     "primitives: take secrets out of the output", 0, 0, false},                                   \
    {"redact-pattern", 0, WR_OPT_LIST, WR_PRIMITIVE_ROW(base, redact_patterns), "REGEX",           \
     "primitives: and what matches this (repeatable)", 0, 0, false},                               \
    {"policy", 0, WR_OPT_STRING, WR_PRIMITIVE_ROW(base, policy), "default|FILE",                   \
     "primitives: refuse code by rules, the default ones or those of a JSON file", 0, 0, false},   \
    {"audit", 0, WR_OPT_STRING, WR_PRIMITIVE_ROW(base, audit), "FILE",                             \
     "primitives: write down what is executed, see `warren audit`", 0, 0, false},                  \
    {"fallback", 0, WR_OPT_FLAG, WR_PRIMITIVE_ROW(base, fallback), NULL,                           \
     "primitives: use a private Warren when that of --backend fails", 0, 0, false},                \
    WR_BACKEND_OPT(WR_PRIMITIVE_ROW(base, backend)),                                               \
    {"install", 0, WR_OPT_LIST, WR_PRIMITIVE_ROW(base, install), "PACKAGE",                        \
     "primitives: install a Python package first (repeatable)", 0, 0, false},                      \
    {"metrics", 0, WR_OPT_STRING, WR_PRIMITIVE_ROW(base, metrics), "FILE",                         \
     "primitives: write metrics as Prometheus text at the end; \"-\": standard error", 0, 0,       \
     false},                                                                                       \
    {"otlp", 0, WR_OPT_STRING, WR_PRIMITIVE_ROW(base, otlp), "URL",                                \
     "primitives: send spans, metrics and logs there", 0, 0, false}
/* clang-format on */

/* The name of the first of these options that was given on the command line; NULL: none. `base` is
 * where their values begin in those of `set`. */
const char *wr_primitive_given(const struct wr_opt_set *set, size_t base);
