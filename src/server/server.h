/* The server's parts, shared by its files. One instance per process, all on one loop. */
#pragma once

#include "http/server.h"
#include "server/engine_client.h"
#include "server/sandbox_table.h"

struct wr_server {
    struct wr_loop *loop;
    struct wr_engine_client *engine;
    struct wr_sandbox_table *sandboxes;
    struct wr_http_server
        *http;     /* NULL until the table agrees with the engine for the first time */
    int listen_fd; /* owned; -1 once `http` has it */
    int ready_fd;  /* owned; -1 when nobody waits */
    bool draining; /* SHUTDOWN was sent: nothing new */
    struct wr_signals signals;
    struct wr_timer idle_timer;
    uint64_t idle_timeout_ms;  /* 0: never */
    uint64_t last_activity_ms; /* monotonic: end of the last request or sandbox */
    struct wr_error fatal;     /* why the loop was stopped */
};

/* Something happened that postpones the end of an idle private server. */
void wr_server_touch(struct wr_server *server);
