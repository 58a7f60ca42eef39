/* Serves the page of the metrics over HTTP, from a thread of its own. */
#pragma once

#include "primitives/observe/metric_store.h"

#define WR_PROMETHEUS_PORT 9464

struct wr_prometheus_server;

/* `store` is borrowed until the server is freed. `address` is an IPv4 or IPv6 address.
 * INVALID_ARGUMENT, UNAVAILABLE when the port is taken, PERMISSION_DENIED. */
int wr_prometheus_server_new(struct wr_metric_store *store, const char *address, uint16_t port,
                             struct wr_prometheus_server **ret, struct wr_error *err) WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_prometheus_server *wr_prometheus_server_free(struct wr_prometheus_server *server);
