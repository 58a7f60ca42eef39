/* The messages of process.Process (envd's process.proto), for both codecs. */
#pragma once

#include "rpc/proto.h"

extern const struct wr_proto_message wr_process_list_request, wr_process_list_response,
    wr_process_start_request, wr_process_start_response, wr_process_connect_request,
    wr_process_connect_response, wr_process_update_request, wr_process_send_input_request,
    wr_process_stream_input_request, wr_process_send_signal_request, wr_process_close_stdin_request,
    wr_process_empty_response;
