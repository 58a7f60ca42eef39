/*
 * The receiving side of client-streaming calls: messages one by one as they arrive. A receiver that
 * cannot take more pauses; then the socket is not read, and the sender is held back.
 */
#pragma once

#include "rpc/connect.h"

struct wr_connect_in;

struct wr_connect_in_ops {
    /* One message (borrowed). May pause, reply or fail. */
    void (*on_message)(struct wr_connect_in *in, json_t *message, void *data);
    /* The client has sent everything; never while paused. */
    void (*on_end)(struct wr_connect_in *in, void *data);
    /* Last callback, always exactly once; `in` is gone afterwards. Free `data` here. */
    void (*on_close)(void *data);
};

/* Takes over a client-streaming call. A broken message, and the call's deadline, are answered here.
 * On failure nothing was answered and on_close is not called. */
int wr_connect_receive(const struct wr_connect_call *call, const struct wr_connect_in_ops *ops,
                       void *data, struct wr_connect_in **ret, struct wr_error *err) WR_MUST_CHECK;
/* Stops and restarts on_message and on_end; they are never called from inside. */
void wr_connect_in_pause(struct wr_connect_in *in, bool paused);
/* Ends the call with an empty message, or with an error; once it has ended (the deadline may have
 * been first) nothing happens. What the client still sends is dropped; only on_close follows. */
void wr_connect_in_reply(struct wr_connect_in *in);
void wr_connect_in_fail(struct wr_connect_in *in, const struct wr_error *error);
