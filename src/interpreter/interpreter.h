/* What the parts of the interpreter share: one instance per agent. */
#pragma once

#include "agent/state.h"
#include "base/buf.h"
#include "interpreter/start.h"
#include "loop/loop.h"

struct wr_context;

/* How far a blank sandbox is. */
enum wr_prepare_state {
    WR_PREPARE_NONE = 0, /* no blank, or assigned */
    WR_PREPARE_RUNNING = 1,
    WR_PREPARE_READY = 2,
    WR_PREPARE_FAILED = 3,
    WR_PREPARE_REHEARSING = 4, /* the warm cell has run, and an assignment is tried */
};

struct wr_interpreter {
    struct wr_agent *agent;
    struct wr_loop *loop;
    struct wr_http_server *server;
    struct wr_list contexts; /* in the order in which they were created */
    size_t context_count;
    struct wr_list leaving; /* removed contexts whose runners have not ended yet */
    struct wr_start_queue starts;
    size_t collected_bytes; /* promised by bodies that are being received */
    size_t queued_bytes;    /* of code that waits */
    struct wr_buf line;     /* scratch for one line of an answer */
    enum wr_prepare_state prepare;
    struct wr_context *prepared; /* while `prepare` is RUNNING or READY, or while it is assigned */
    char prepare_error[240];
    void (*assigned)(void *data); /* due when `prepared` has taken its environment */
    void *assigned_data;
    struct wr_list renewals; /* that wait for contexts */
};
