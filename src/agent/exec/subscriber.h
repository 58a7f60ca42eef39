/*
 * Readers of a process: each is one streaming response (Start or Connect). All get all events from
 * the moment they join. A reader that does not take its data blocks the process's output
 * (wr_process_update_flow); a reader that leaves is forgotten.
 */
#pragma once

#include "agent/exec/process.h"
#include "rpc/answer.h"

struct wr_subscriber_opts {
    uint64_t keepalive_ms; /* silence after which a keepalive event is sent */
    uint64_t timeout_ms;   /* 0: none; for the stream only, the process goes on */
    bool is_starter;       /* its stream ends with deadline_exceeded at the process's deadline */
};

/* Answers with a stream: the start event now, then what comes. On failure nothing was sent. An
 * ended process gives start and end. */
int wr_subscriber_new(struct wr_process *process, const struct wr_connect_out *out,
                      const struct wr_subscriber_opts *opts, struct wr_error *err) WR_MUST_CHECK;

/* Sends to all readers. */
void wr_subscribers_data(struct wr_process *process, enum wr_stream stream, const char *data,
                         size_t len);
/* The end event and the end of every stream. */
void wr_subscribers_end(struct wr_process *process);
/* Ends the starter's stream with deadline_exceeded. */
void wr_subscribers_deadline(struct wr_process *process);
/* Cuts every stream; for the end of the agent. */
void wr_subscribers_abort(struct wr_process *process);
