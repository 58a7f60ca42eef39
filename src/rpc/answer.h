/*
 * Answers to Connect calls, in the codec of the request. Handlers write JSON; for a client that
 * speaks the binary form it is translated here by the tables. Errors and the end of a stream are
 * JSON in both codecs, as the protocol wants it.
 */
#pragma once

#include "http/server.h"
#include "rpc/proto.h"

enum wr_connect_codec {
    WR_CODEC_JSON = 0,
    WR_CODEC_PROTO = 1,
};

/* Where an answer goes. Handlers that answer later keep a copy; it is valid as long as the
 * exchange. */
struct wr_connect_out {
    struct wr_exchange *ex;
    const struct wr_proto_message *message; /* what is answered */
    enum wr_connect_codec codec;
    bool streaming; /* the answer is a stream of envelopes */
};

/* The whole answer, one message: `json` is an object (len 0: an empty one). */
void wr_connect_reply(const struct wr_connect_out *out, const char *json, size_t len);
/* An error before anything else was answered: `{"code","message"}` with the code's HTTP status, or
 * a stream with nothing but its end. */
void wr_connect_fail(const struct wr_connect_out *out, const struct wr_error *error);

/* Streaming: sends the 200 head. */
void wr_connect_stream_start(const struct wr_connect_out *out);
/* One message. */
enum wr_http_flow wr_connect_stream_message(const struct wr_connect_out *out, const char *json,
                                            size_t len);
/* The end-of-stream envelope; `error` NULL means success. Ends the response. */
void wr_connect_stream_end(const struct wr_connect_out *out, const struct wr_error *error);
