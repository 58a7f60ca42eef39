/* Standard input of a command that has other things to do while it waits: the client's loop runs
 * until something can be read. */
#pragma once

#include "client/transport.h"

struct wr_input_wait {
    struct wr_transport *client; /* borrowed */
    struct wr_source source;
    bool always_ready; /* a regular file: epoll does not take it */
    bool ready;
};

void wr_input_wait_init(struct wr_input_wait *wait, struct wr_transport *client);
/* 0 when a read() of standard input does not block; CANCELED by wr_transport_interrupt(). */
int wr_input_wait(struct wr_input_wait *wait, struct wr_error *err) WR_MUST_CHECK;
