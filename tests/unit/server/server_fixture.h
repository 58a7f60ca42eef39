/* The server as a process of its own, over its sockets, with a fake engine behind it. */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "client/transport.h"
#include "server/config.h"

struct fixture {
    char dir[64], path[96];
    pid_t engine, server;
    struct wr_transport *client;
    uint16_t api_port; /* of the listener for keys; 0 without */
    uint16_t ingress_port;
    char keys[2][64];   /* with it: a key of the default team, and one of another team */
    const char *answer; /* head and body of the last api() */
};

struct start_opts {
    unsigned preset;           /* sandboxes that exist, see fake_engine.h */
    unsigned paused;           /* of these, from the first on, are hibernated */
    const char *settings;      /* of a row for each of them; NULL: they have none */
    unsigned more_rows;        /* with `settings`: rows without a sandbox */
    uint64_t lifetime_ms;      /* until the deadline in these rows */
    uint64_t idle_ms;          /* see wr_server_opts */
    bool api;                  /* listen on TCP for keys as well */
    bool ingress;              /* listen on TCP for sandboxes as well */
    const char *traffic_token; /* of the rows; NULL: none */
    uint32_t max_connections;  /* into one sandbox */
    bool lenient;              /* see wr_server_config, as the following */
    const char *domain;        /* public_domain */
    uint32_t timeout_max_s;    /* 0: 24 hours */
    struct wr_rate_limits limits;
    uint32_t max_snapshots, max_paused;
    uint64_t max_stored_bytes;
    struct wr_pause_config pause;
    bool resume_at_start;       /* of the rows */
    const char *blank_template; /* NULL: no blanks */
    uint32_t blank_count;
};

/* The fake engine's sockets are of this host: in a network of the test's own its port 49983 is
 * free. Skips the test without root. */
void own_network(void);
/* Returns once the server is ready. */
struct fixture start_with(const struct start_opts *opts);
/* `preset` sandboxes with rows with `settings`, which live for a minute. */
struct fixture start(unsigned preset, const char *settings, uint64_t idle_ms);
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

/* One request: with f->keys[key], or by the operator's socket when `key` is -1, or over TCP without
 * a key when it is -2. `body` NULL: none. Returns the status; *ret (may be NULL) is the JSON
 * document of the answer, the caller's, or NULL. */
int api(struct fixture *f, int key, const char *method, const char *target, const char *body,
        json_t **ret);
/* The same with more header lines, each with its CRLF. */
int api_with(struct fixture *f, int key, const char *method, const char *target,
             const char *headers, const char *body, json_t **ret);
/* Whether the last answer has that line, as "Name: value". */
bool answered(const struct fixture *f, const char *line);
/* The value of a header field of the last answer; "" when it is not there. */
const char *header(const struct fixture *f, const char *name, char out[static 128]);
/* Checks that the answer is the error `status` with a message that contains `text`, in JSON. */
void refused(struct fixture *f, int key, const char *method, const char *target, const char *body,
             int status, const char *text);
/* Creates with a body; returns its answer, the caller's. */
json_t *created(struct fixture *f, int key, const char *target, const char *body,
                char id[static 21]);
const char *text_of(const json_t *json, const char *key);
