/*
 * HTTP requests for a sandbox that does not run at the moment: one that traffic resumes (waking.h)
 * is resumed for whoever could use it, and the request waits.
 */
#pragma once

#include "http/server.h"
#include "server/ingress/access.h"

struct wr_server;

struct wr_wake {
    struct wr_server *server;
    struct wr_exchange *ex;
    uint16_t port;
    bool tls; /* passed on */
    /* Takes the exchange over as soon as the sandbox runs. */
    void (*go_on)(struct wr_server *server, struct wr_exchange *ex, const char *id, uint16_t port,
                  bool tls);
};
/* `sandbox` is neither RUNNING nor KILLING. Takes the exchange over and answers it, at once or
 * after the resume. */
void wr_wake(const struct wr_wake *wake, struct wr_sandbox *sandbox);
