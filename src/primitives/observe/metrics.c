#include "primitives/observe/metrics.h"

#include "primitives/observe/metric_store.h"
#include "primitives/observe/telemetry.h"

void wr_metric_add(struct wr_telemetry *telemetry, enum wr_metric metric, const char *label,
                   double amount)
{
    if (telemetry)
        wr_metric_store_add(telemetry->metrics, metric, label, amount);
}

void wr_metric_set(struct wr_telemetry *telemetry, enum wr_metric metric, const char *label,
                   double value)
{
    if (telemetry)
        wr_metric_store_set(telemetry->metrics, metric, label, value);
}

void wr_metric_observe(struct wr_telemetry *telemetry, enum wr_metric metric, double seconds)
{
    if (telemetry)
        wr_metric_store_observe(telemetry->metrics, metric, seconds);
}
