/* Streams of messages with a running agent, in both directions and in both codecs. */
#pragma once

#include "live.h"
#include "rpc/proto.h"

struct messages {
    struct live *live;
    struct wr_http_conn *conn;
    struct wr_http_call *call;                         /* NULL: over */
    const struct wr_proto_message *request, *response; /* NULL: JSON */
    struct wr_buf in;
    json_t *list; /* what arrived, as JSON */
    size_t bytes;
    int status;
    bool closed;                 /* the end-of-stream envelope came */
    char code[64], message[256]; /* its error; "" for success */
    bool lost;
};

struct messages_opts {
    const char *path;
    const struct wr_proto_message *request, *response; /* both for the binary codec */
    const char *const *headers;                        /* "Name: value", NULL-terminated; or NULL */
};

/* Begins a call; nothing is sent yet but its head. */
void messages_open(struct messages *m, struct live *live, const struct messages_opts *opts);
/* One message; `json` is stolen. False when the output is full. */
bool messages_send(struct messages *m, json_t *json);
/* The request is complete. */
void messages_finish(struct messages *m);
/* Waits until `count` messages have arrived. */
void messages_wait(struct messages *m, size_t count);
/* Waits for the end-of-stream envelope. */
void messages_wait_closed(struct messages *m);
void messages_done(struct messages *m);
