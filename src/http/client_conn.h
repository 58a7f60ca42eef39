/* The client's connection: what client.c (run by the loop) and client_call.c (called by users)
 * share. Private to http/. */
#pragma once

#include "http/client.h"
#include "http/io.h"

enum wr_request_state {
    WR_REQUEST_HEAD = 0,
    WR_REQUEST_STREAM = 1,
    WR_REQUEST_ENDED = 2,
};

struct wr_http_call {
    struct wr_http_conn *conn;
    const struct wr_http_call_ops *ops;
    void *data;
    enum wr_request_state state;
    struct wr_http_sender sender;
    struct wr_h1_body body; /* of the response */
    bool head_request;
    bool body_expected; /* the method has a body even when it is empty */
    bool head_told;
    bool switched; /* 101: waits for wr_http_call_hijack() */
    bool paused;
    bool heard;           /* a byte of an answer was read */
    uint64_t sent_before; /* of the connection, before this call */
};

struct wr_http_conn {
    struct wr_http_io io;
    struct wr_http_call call;
    size_t scanned; /* bytes of an unfinished head that the parser has seen */
    bool active;    /* a call is running */
    bool unusable;  /* no further call */
    bool failed;    /* `err` says why */
    bool eof;
    bool write_broken; /* the peer takes no more; its response may still be there */
    bool detached; /* left the loop: hung up while paused, which epoll would report without end */
    bool busy;
    bool dead;
    bool drained;
    struct wr_error err;
    void (*on_lost)(struct wr_http_conn *conn, void *data);
    void *lost_data;
};

/* The first failure counts; on_end tells it in the next run. */
void wr_http_conn_fail(struct wr_http_conn *conn, enum wr_code code, int os_errno,
                       const char *what);
