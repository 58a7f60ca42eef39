/* The server as a process of its own, over its socket, with a fake engine behind it. */
#pragma once

#include "base/error.h"
#include "client/client.h"

struct fixture {
    char dir[64], path[96];
    pid_t engine, server;
    struct wr_client *client;
};

/* `preset` and `owner`: see fake_engine.h. Returns once the server is ready. */
struct fixture start(unsigned preset, const char *owner, uint64_t idle_ms);
/* Ends both and checks that they end well. */
void stop(struct fixture *f);
/* What stop() does after the ends of both. */
void clean(struct fixture *f);
/* Exit status, or 1000 + signal. */
int exit_of(pid_t pid);
int create(struct fixture *f, const char *template, uint64_t timeout_s, char id[static 21],
           struct wr_error *err);
/* Sandboxes that the server lists. */
size_t count(struct fixture *f);
int connect_raw(const struct fixture *f);
/* The whole answer to one raw request. */
void raw(const struct fixture *f, const char *request, char *out, size_t cap);
