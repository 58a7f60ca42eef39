/* Log records of primitives: structured, with the ids of the workflow. */
#pragma once

#include <jansson.h>

#include "warren/telemetry.h"

/* `level`: "debug", "info", "warning", "error". `fields` (may be NULL) is consumed in any case; its
 * members become members of the record. Goes to the telemetry's on_log and, if there is an
 * exporter, to /v1/logs. Nothing happens without telemetry. */
void wr_telemetry_log(struct wr_workflow *workflow, const char *level, const char *event,
                      const char *primitive, json_t *fields);
