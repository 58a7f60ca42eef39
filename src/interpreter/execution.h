/*
 * One POST /execute from its head to its end: the lines of the answer. Waits in the queue of its
 * context, runs, ends; the exchange outlives that by the time that its client needs to read.
 */
#pragma once

#include "http/server.h"
#include "interpreter/frame_decoder.h"
#include "interpreter/interpreter.h"
#include "interpreter/life.h"
#include "interpreter/text.h"

struct wr_execution {
    struct wr_list link; /* in the context's queue while it waits */
    struct wr_interpreter *interpreter;
    struct wr_context *context; /* NULL once it has ended */
    struct wr_exchange *ex; /* NULL: its client was cut off while it waited, and it runs without */
    struct wr_buf frame;    /* EXECUTE; empty once it was sent */
    struct wr_life life;    /* in which it came */
    struct wr_text text;
    struct wr_timer keepalive;
    uint64_t last_sent_ms;
    bool kept;       /* its client will be cut off, and has not left */
    bool blocked;    /* the client takes nothing now */
    bool error_told; /* at most one error per execution */
    bool mid_line;   /* a line was begun and not ended */
    bool skip_line;  /* the rest of the line under way is dropped */
};

/* Begins the answer: its head goes out at once. `frame` is moved out of the caller's variable. */
int wr_execution_new(struct wr_interpreter *interpreter, struct wr_context *context,
                     struct wr_exchange *ex, struct wr_buf *frame, struct wr_execution **ret,
                     struct wr_error *err) WR_MUST_CHECK;
/* Whether it has to go on although its connection is gone: the sandbox was paused. */
bool wr_execution_outlives_client(const struct wr_execution *execution);
/* Of one without a client. */
void wr_execution_free(struct wr_execution *execution);
/* What its runner says. */
void wr_execution_count(struct wr_execution *execution, uint64_t count);
void wr_execution_text(struct wr_execution *execution, enum wr_stream stream, const char *data,
                       size_t len);
/* False when the answer was cut because the line cannot be repaired; the runner is not to be
 * trusted with another. */
bool wr_execution_line(struct wr_execution *execution, const struct wr_frame_piece *piece)
    WR_MUST_CHECK;
/* The last line. It has left its context afterwards. */
void wr_execution_end(struct wr_execution *execution);
/* The same after an error of the service itself (WR_ERROR_*). */
void wr_execution_fail(struct wr_execution *execution, const char *name, const char *value);
