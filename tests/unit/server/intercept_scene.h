/*
 * Intercepted connections: the proxy and the servers behind it run on the loop of the test's
 * process, the client is a process of its own with OpenSSL. What leads to the servers
 * (egress/outbound.h) is replaced here: every name leads to the one that the scene has.
 */
#pragma once

#include <openssl/ssl.h>

#include "http/server.h"
#include "server/egress/intercept.h"
#include "server/tls/terminator.h"
#include "store_fixture.h"

#define SCENE_LARGE  ((size_t)8 * 1024 * 1024) /* bytes of the server's /large */
#define SCENE_SECRET "t0p-s3cret-value"        /* the team's secret "token" */

struct scene {
    struct wr_loop *loop;
    struct store_fixture store;
    struct wr_team team;
    struct wr_intercept *intercept;
    struct wr_intercepted *it;
    struct wr_net_policy *policy;
    struct wr_net_counters counters;
    struct wr_net_log *log;
    struct wr_http_server *plain, *behind_tls;
    struct wr_tls_terminator *tls;
    char root[4096], authority[4096]; /* certificates, PEM */
    char reason[128];                 /* why the connection ended */
    pid_t client;
};

/* How many connections were made to the server, and where it is; 0: nobody listens. */
extern unsigned scene_dials;
extern uint16_t scene_port;

void scene_start(struct scene *s, bool tls, const char *rules);
/* One connection for `name` until both sides are done; `play` is the client. */
void scene_run(struct scene *s, const char *name, bool tls,
               void (*play)(const struct scene *s, int fd));
/* The same without waiting. */
void scene_begin(struct scene *s, const char *name, bool tls,
                 void (*play)(const struct scene *s, int fd));
/* Runs the loop until `over` says so, or much too long. */
void scene_wait(struct scene *s, bool (*over)(struct scene *s));
/* Whether the client has ended, and well. */
bool scene_client_left(struct scene *s);
void scene_stop(struct scene *s);
/* An event as "allow transform api.test | GET 200" has to be in the log. */
void scene_expect_event(const struct scene *s, const char *line);

/* ---- in the client's process ---- */

void client_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A session that trusts the authority. */
SSL *client_shake(const struct scene *s, int fd, const char *name);
void client_say(SSL *ssl, const char *text);
/* Reads until the text holds `end`; borrowed. */
const char *client_until(SSL *ssl, const char *end);
/* Says `request`, reads until `end`, and `wanted` has to be in it. */
void client_expect(SSL *ssl, const char *request, const char *end, const char *wanted);
void client_bye(SSL *ssl, int fd);
