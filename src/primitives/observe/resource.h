/* What tells whose telemetry it is: the resource of OTLP. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/* As JSON, from `service_name` (NULL: OTEL_SERVICE_NAME, else the one below, else "warren") and
 * OTEL_RESOURCE_ATTRIBUTES. INVALID_ARGUMENT. */
int wr_resource_write(const char *service_name, struct wr_buf *out, struct wr_error *err)
    WR_MUST_CHECK;
