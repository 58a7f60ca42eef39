/* Lists as OpenTelemetry's environment variables have them: "name=value,name=value", with values
 * percent-encoded. */
#pragma once

#include "base/error.h"

#define WR_OTEL_PAIRS_MAX 16384 /* bytes of a list */

struct wr_otel_pair {
    const char *key, *value; /* borrowed for the call; blanks around both are gone */
};

/* Calls `fn` for each pair until it fails. INVALID_ARGUMENT for another form; no value is in the
 * error. Memory that held values is wiped. */
int wr_otel_pairs_read(const char *text,
                       int (*fn)(const struct wr_otel_pair *pair, void *data, struct wr_error *err),
                       void *data, struct wr_error *err);
