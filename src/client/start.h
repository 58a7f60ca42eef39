/*
 * A server on demand: when nobody listens on the socket, the first client starts one and waits
 * until it serves or says why it cannot.
 */
#pragma once

#include "client/transport.h"

#define WR_DEFAULT_SOCKET   "/run/warren/warren.sock"
#define WR_DEFAULT_DATA_DIR "/var/lib/warren"
#define WR_SERVER_LOG       "/var/log/warren.log"
#define WR_IDLE_TIMEOUT     "10m" /* of a server that was started on demand */
#define WR_START_TIMEOUT_MS \
    60000 /* until the server serves, ms: its engine may have to make a volume */

struct wr_connect_opts {
    const char *socket_path;
    const char *data_dir;    /* for a server that has to be started */
    const char *config_path; /* for it too; NULL: the default */
    const char *executable;  /* of `serve`; NULL: /proc/self/exe */
    bool no_start;           /* fail instead */
    uint64_t timeout_ms;     /* of a start; 0: WR_START_TIMEOUT_MS */
    int cancel_fd;           /* above 0: a start is waited for no longer once it is readable */
};

/* wr_transport_open_socket(), and when nobody listens (and no_start is not set) the start of a
 * server. Concurrent starters agree on one by a lock beside the socket. The server's own error
 * comes back as `err`. Starting needs root: PERMISSION_DENIED.
 * CANCELED, DEADLINE_EXCEEDED: a server that was started goes on with its start. */
int wr_transport_connect(const struct wr_connect_opts *opts, struct wr_transport **ret,
                         struct wr_error *err) WR_MUST_CHECK;
