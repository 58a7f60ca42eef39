/*
 * A running agent for tests: PID 1 of a PID and mount namespace of its own, with its own passwd
 * file, devpts, /proc and two tmpfs; and a client for it over TCP. Needs root.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "http/client.h"
#include "loop/loop.h"

#define LIVE_ID       "aaaaaaaaaaaaaaaaaaaa"
#define LIVE_CONTROL  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define LIVE_LOG_MAX  (64 * 1024)
#define LIVE_SMALL_FS "/mnt/small" /* a tmpfs of 1 MiB, inside; also the content of a volume */
#define LIVE_BODY_MAX ((size_t)256 * 1024 * 1024)
#define LIVE_WAIT_MS  20000

struct live {
    struct wr_loop *loop;
    int port;
    pid_t agent; /* as this process sees it */
};

/* Starts it; the test fails if it cannot. */
void live_start(struct live *live);
/* The same, with the token that callers have to know (NULL: none). */
void live_start_with(struct live *live, const char *access_token);
/* The same, waiting for its user. */
void live_start_blank(struct live *live, const char *access_token);
/* The same, with nobody who may ask for /init. */
void live_start_without_control(struct live *live);
/* Kills the agent and with it everything that it started. Accepts a zeroed struct. */
void live_stop(struct live *live);
#define auto_live WR_CLEANUP(live_stop) struct live

/* Fails above `max` bytes: of resident memory; of memory that the agent does not share with the
 * process it was forked from. Under AddressSanitizer, whose own memory is in there, nothing is
 * checked. */
void live_check_rss(const struct live *live, uint64_t max);
void live_check_private(const struct live *live, uint64_t max);

/* A new connection to the agent. */
struct wr_http_conn *live_connect(struct live *live);
/* Host and then "Name: value" strings, NULL-terminated; may be NULL. */
void live_add_headers(struct wr_http_call *call, const char *const *headers);

/* One plain request. */
struct reply {
    int status;
    struct wr_buf body;
    char headers[2048];
    bool done, failed;
    struct wr_http_conn *conn;
    struct wr_http_call *call;
};
/* `type` NULL: no body. Headers are "Name: value" strings, NULL-terminated; may be NULL. */
void live_send(struct live *live, struct reply *reply, const char *method, const char *target,
               const char *const *headers, const void *body, size_t len);
void live_wait_reply(struct live *live, struct reply *reply);
void live_request(struct live *live, struct reply *reply, const char *method, const char *target,
                  const char *const *headers, const void *body, size_t len);
void reply_done(struct reply *reply);

/* Unary RPC: the answer as JSON (owned), with its HTTP status. `request` is stolen. */
json_t *live_rpc(struct live *live, const char *path, json_t *request, int *ret_status);
/* Sends it and checks for the error code (NULL: success). */
void live_expect(struct live *live, const char *path, json_t *request, const char *code);

/* A process stream. */
struct stream {
    struct live *live;
    struct wr_http_conn *conn;
    struct wr_http_call *call;
    struct wr_buf in;
    struct wr_buf out, err, pty; /* what arrived; with `discard` only counted */
    bool discard;
    size_t bytes;
    long long pid; /* of the start event; 0: none yet */
    int keepalives;
    bool has_end; /* the end event came */
    long long exit_code;
    bool exited;
    char status[64], error[64];
    bool closed;                 /* the end-of-stream envelope came */
    char code[64], message[256]; /* its error; "" for success */
    bool lost;
};
struct stream_opts {
    const char *path;          /* NULL: Start */
    const char *user;          /* NULL: the default */
    const char *authorization; /* the field as it is, instead of `user` */
    unsigned timeout_ms;
    unsigned keepalive_s;
    bool discard;
};
/* `request` is stolen. */
void stream_open(struct stream *s, struct live *live, const struct stream_opts *opts,
                 json_t *request);
#define LIVE_CONNECT "/process.Process/Connect"
/* The selector of a process, for json_pack("{s:{s:I}}", ...). */
#define SELECT(pid)  "process", "pid", (json_int_t)(pid)
/* {process:{cmd}}. */
json_t *start_cmd(const char *cmd);
/* SendSignal, and a check of its answer as in live_expect(). */
void live_signal(struct live *live, long long pid, const char *name, const char *code);
/* {process:{cmd,args},stdin:false} of a shell command. */
json_t *start_shell(const char *command);
void stream_pause(struct stream *s, bool paused);
/* Steps the loop until `done(s)`, else the test fails after LIVE_WAIT_MS. */
void stream_wait(struct stream *s, bool (*done)(const struct stream *s));
bool stream_started(const struct stream *s);
bool stream_closed(const struct stream *s);
/* Until stdout (or the pty) holds `text`. */
void stream_wait_text(struct stream *s, const char *text);
void stream_done(struct stream *s);
/* Runs the loop for a while. */
void live_idle(struct live *live, unsigned ms);

/* Start, wait for the end, check exit code and stdout (NULL: any). */
void live_run(struct live *live, const char *command, long long exit_code, const char *out);
