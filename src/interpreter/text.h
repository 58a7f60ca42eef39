/*
 * Text of a cell on its way to the client. print("hello") makes two writes and has to arrive as one
 * message, and each line of a loop that prints as it comes: so text is held for a moment, and what
 * follows a line break begins a new message.
 */
#pragma once

#include "agent/log.h"
#include "loop/loop.h"

enum wr_text_room {
    WR_TEXT_FREE = 0,
    WR_TEXT_BUSY = 1,    /* the client is slow: fewer and larger messages */
    WR_TEXT_BLOCKED = 2, /* nothing may be emitted now */
};

struct wr_text_ops {
    /* One message; `data` is borrowed. */
    void (*emit)(void *owner, enum wr_stream stream, const char *data, size_t len);
    enum wr_text_room (*room)(void *owner);
};

struct wr_text {
    struct wr_loop *loop;
    const struct wr_text_ops *ops;
    void *owner;
    bool apart; /* every piece is a message of its own */
    enum wr_stream stream;
    struct wr_buf held;
    struct wr_timer timer;
};

void wr_text_init(struct wr_text *text, struct wr_loop *loop, const struct wr_text_ops *ops,
                  void *owner);
/* A piece that is not cut inside a character. */
void wr_text_add(struct wr_text *text, enum wr_stream stream, const char *data, size_t len);
/* Emits what is held, whatever the room is. */
void wr_text_flush(struct wr_text *text);
/* Drops what is held and stops. Accepts a zeroed struct. */
void wr_text_done(struct wr_text *text);
