/*
 * The server's connection: what server.c (listener), conn.c (phases) and exchange.c (what handlers
 * call) share. Private to http/.
 *
 * Only wr_server_conn_run() calls handlers, and only the loop calls it. What handlers call changes
 * state and asks for a run at the end of the round; so no callback is entered twice, and a
 * connection that dies during its own run is freed by that run.
 */
#pragma once

#include "base/list.h"
#include "http/io.h"
#include "http/server.h"

struct wr_http_server {
    struct wr_loop *loop;
    int fd;
    struct wr_source source;
    struct wr_timer retry; /* accept again after the process ran out of descriptors */
    struct wr_http_server_opts opts;
    struct wr_list conns; /* those between requests in the order in which they began to wait */
    size_t count;
};

enum wr_conn_phase {
    WR_CONN_HEAD = 0,     /* waiting for a request, or in the middle of its head */
    WR_CONN_EXCHANGE = 1, /* a handler has it */
    WR_CONN_DROP = 2,     /* the response is out; a small rest of the request body is read away */
    WR_CONN_LINGER = 3,   /* our side is shut; the peer gets time to read the last response */
};

struct wr_server_conn {
    struct wr_http_io io;
    struct wr_list link;
    struct wr_http_server *server; /* NULL once dead */
    struct wr_timer timer;
    struct wr_exchange *ex; /* owned */
    struct wr_exchange
        *doomed;            /* owned: over, but one of its callbacks may still be on the stack */
    struct wr_h1_body body; /* of the request */
    enum wr_conn_phase phase;
    size_t scanned;                /* bytes of an unfinished head that the parser has seen */
    size_t dropped;                /* bytes read away in DROP and LINGER */
    uint64_t moved_seen, moved_ms; /* io.moved at the last look, and since when it is that */
    bool head_started;
    bool eof;     /* the peer sends no more; it may still read */
    bool surplus; /* there is input that nobody wants yet */
    bool cut;     /* to be closed as a failure */
    bool shut;    /* SHUT_WR was done */
    bool busy;    /* wr_server_conn_run() is on the stack */
    bool dead;    /* freed at the end of that run */
    bool drained; /* on_drain was called in this run */
};

enum wr_response_state {
    WR_RESPONSE_NONE = 0,
    WR_RESPONSE_HEAD = 1,
    WR_RESPONSE_STREAM = 2,
    WR_RESPONSE_ENDED = 3,
};

struct wr_collect {
    struct wr_buf buf;
    void (*fn)(struct wr_exchange *ex, const char *body, size_t len, void *data);
    void (*on_close)(struct wr_exchange *ex, bool aborted, void *data);
};

struct wr_exchange {
    struct wr_server_conn *conn;
    const struct wr_exchange_ops *ops;
    void *data;
    uint64_t tag; /* the handler's */
    enum wr_response_state state;
    int status;
    struct wr_http_sender sender;
    struct wr_collect collect;
    bool paused;
    bool body_end_told;
    bool expect_pending;   /* the client waits for "100 Continue" */
    bool keep;             /* the connection may carry another request */
    bool connection_given; /* the handler wrote its own Connection field */
    bool closed;           /* on_close is being called: every call on it does nothing */
    const char *query;
    size_t query_len;
    const char *path;
    struct wr_h1_head head;
    char bytes[]; /* the head as received, then the decoded path */
};

/* Closes a connection whose peer does not take a large response. False when there is none. */
bool wr_http_server_close_slow(struct wr_http_server *server);

/* The exchange of a request whose head is the first `head_len` bytes of the input. NULL without
 * memory. */
struct wr_exchange *wr_exchange_new(struct wr_server_conn *conn, const struct wr_h1_head *head,
                                    size_t head_len) WR_MUST_CHECK;

/* `fd` becomes owned in any case. */
int wr_server_conn_new(struct wr_http_server *server, int fd, struct wr_error *err) WR_MUST_CHECK;
/* Closes at once; a running exchange is told with aborted = true. */
void wr_server_conn_close(struct wr_server_conn *conn);
/* Leaves the server's list and the loop; frees now or at the end of the run. The exchange is freed
 * without on_close. */
void wr_server_conn_release(struct wr_server_conn *conn);
