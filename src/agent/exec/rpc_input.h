/* The calls that send bytes to a process: SendInput, with one message, and StreamInput, with many.
 */
#pragma once

#include "rpc/connect.h"

/* Handlers for a table of methods; `agent` is the struct wr_agent. */
void wr_rpc_send_input(const struct wr_connect_call *call, void *agent);
void wr_rpc_stream_input(const struct wr_connect_call *call, void *agent);
