/* The way to a collector over HTTP or HTTPS: an export sender (exporter.h). */
#pragma once

#include "primitives/observe/exporter.h"

/* `headers`: "name=value,..." or NULL; they are secrets. INVALID_ARGUMENT names what is wrong. */
int wr_otlp_http_new(const char *url, const char *headers, struct wr_export_sender *ret,
                     struct wr_error *err) WR_MUST_CHECK;
