/* The messages of filesystem.Filesystem (envd's filesystem.proto), for both codecs. */
#pragma once

#include "rpc/proto.h"

extern const struct wr_proto_message wr_fs_path_request, wr_fs_move_request, wr_fs_list_dir_request,
    wr_fs_watch_request, wr_fs_watcher_request;
extern const struct wr_proto_message wr_fs_entry_response, wr_fs_list_dir_response,
    wr_fs_watch_dir_response, wr_fs_create_watcher_response, wr_fs_watcher_events_response,
    wr_fs_empty_response;
