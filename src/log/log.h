/*
 * Structured log lines on stderr: logfmt, or JSON after wr_log_format_json(). Never call it with a
 * secret. Pairs are strings: wr_log(WR_LOG_INFO, "sandbox created", "sandbox", id, "template",
 * name, NULL). Lines that a tenant can trigger go through wr_log_limited(), which drops above 10
 * per second and place and says how many.
 */
#pragma once

#include <stdbool.h>

#include "base/base.h"

enum wr_log_level {
    WR_LOG_DEBUG = 0,
    WR_LOG_INFO = 1,
    WR_LOG_WARN = 2,
    WR_LOG_ERROR = 3,
};

struct wr_log_limit {
    uint64_t window_start_ms;
    uint32_t in_window;
    uint32_t dropped;
};

/* `component` (static string) appears in every line: "server", "engine", "nest", "agent", "cli". */
void wr_log_init(const char *component, enum wr_log_level min_level);
void wr_log_format_json(bool on);
void wr_log(enum wr_log_level level, const char *message, ...) __attribute__((sentinel));
void wr_log_limited(struct wr_log_limit *limit, enum wr_log_level level, const char *message, ...)
    __attribute__((sentinel));
