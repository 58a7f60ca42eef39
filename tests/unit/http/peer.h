/* What the tests of both sides share: a loop, a listening unix socket without a name clash, and a
 * raw peer. */
#pragma once

#include "http/client.h"
#include "http/server.h"
#include "loop/loop.h"

struct bench {
    struct wr_loop *loop;
    struct wr_http_server *server;
    int port;      /* TCP on 127.0.0.1, 0 with a unix socket */
    char name[32]; /* abstract unix name */
};

enum transport {
    OVER_UNIX = 0,
    OVER_TCP = 1,
};

/* Starts a server with `opts`; max_connections 0 becomes 16. */
void bench_start(struct bench *b, enum transport transport, struct wr_http_server_opts opts);
void bench_stop(struct bench *b);
/* A connected, non-blocking socket. */
int bench_connect(const struct bench *b);
struct wr_http_conn *bench_client(const struct bench *b);
/* Turns the loop until *done or until `ms` have passed; returns *done. */
bool bench_run(const struct bench *b, const bool *done, uint64_t ms);
/* Turns the loop for that time. */
void bench_idle(const struct bench *b, uint64_t ms);
void peer_send(int fd, const char *text);
/* Turns the loop until `fd` has given `want` bytes or the end of its stream, at most two seconds;
 * NUL-terminated. */
size_t peer_read(const struct bench *b, int fd, char *out, size_t cap, size_t want);
/* Sends, reads as many bytes as are expected, and compares. */
void peer_expect(const struct bench *b, int fd, const char *text, const char *expected);
/* True when the peer's stream has ended (after turning the loop for a while). */
bool peer_at_end(const struct bench *b, int fd);
