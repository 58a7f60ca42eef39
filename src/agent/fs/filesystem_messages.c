#include "agent/fs/filesystem_messages.h"

#include "rpc/proto_table.h"

static const struct wr_proto_message empty = {.name = "filesystem.Empty"};

static const struct wr_proto_enum_value file_types[] = {
    {"FILE_TYPE_UNSPECIFIED", 0},
    {"FILE_TYPE_FILE", 1},
    {"FILE_TYPE_DIRECTORY", 2},
    {"FILE_TYPE_SYMLINK", 3},
    {NULL, 0},
};
static const struct wr_proto_field entry_fields[] = {
    WR_PB_SCALAR("name", "name", 1, WR_PROTO_STRING),
    WR_PB_ENUM("type", 2, file_types),
    WR_PB_SCALAR("path", "path", 3, WR_PROTO_STRING),
    WR_PB_SCALAR("size", "size", 4, WR_PROTO_INT64),
    WR_PB_SCALAR("mode", "mode", 5, WR_PROTO_UINT32),
    WR_PB_SCALAR("permissions", "permissions", 6, WR_PROTO_STRING),
    WR_PB_SCALAR("owner", "owner", 7, WR_PROTO_STRING),
    WR_PB_SCALAR("group", "group", 8, WR_PROTO_STRING),
    WR_PB_SCALAR("modified_time", "modifiedTime", 9, WR_PROTO_TIMESTAMP),
    {.name = "symlink_target",
     .json_name = "symlinkTarget",
     .number = 10,
     .kind = WR_PROTO_STRING,
     .explicit_presence = true},
    WR_PB_SCALAR("metadata", "metadata", 11, WR_PROTO_STRING_MAP),
};
static const struct wr_proto_message entry = WR_PB_MESSAGE("filesystem.EntryInfo", entry_fields);

/* Stat, MakeDir, Remove */
static const struct wr_proto_field path_fields[] = {
    WR_PB_SCALAR("path", "path", 1, WR_PROTO_STRING)};
static const struct wr_proto_field with_entry_fields[] = {WR_PB_SUB("entry", 1, entry)};
const struct wr_proto_message wr_fs_path_request =
    WR_PB_MESSAGE("filesystem.PathRequest", path_fields);
const struct wr_proto_message wr_fs_entry_response =
    WR_PB_MESSAGE("filesystem.EntryResponse", with_entry_fields);
const struct wr_proto_message wr_fs_empty_response = {.name = "filesystem.Empty"};

static const struct wr_proto_field move_fields[] = {
    WR_PB_SCALAR("source", "source", 1, WR_PROTO_STRING),
    WR_PB_SCALAR("destination", "destination", 2, WR_PROTO_STRING),
};
const struct wr_proto_message wr_fs_move_request =
    WR_PB_MESSAGE("filesystem.MoveRequest", move_fields);

static const struct wr_proto_field list_dir_fields[] = {
    WR_PB_SCALAR("path", "path", 1, WR_PROTO_STRING),
    WR_PB_SCALAR("depth", "depth", 2, WR_PROTO_UINT32),
};
static const struct wr_proto_field entries_fields[] = {WR_PB_LIST("entries", 1, entry)};
const struct wr_proto_message wr_fs_list_dir_request =
    WR_PB_MESSAGE("filesystem.ListDirRequest", list_dir_fields);
const struct wr_proto_message wr_fs_list_dir_response =
    WR_PB_MESSAGE("filesystem.ListDirResponse", entries_fields);

/* WatchDir and CreateWatcher */
static const struct wr_proto_field watch_fields[] = {
    WR_PB_SCALAR("path", "path", 1, WR_PROTO_STRING),
    WR_PB_SCALAR("recursive", "recursive", 2, WR_PROTO_BOOL),
    WR_PB_SCALAR("include_entry", "includeEntry", 3, WR_PROTO_BOOL),
    WR_PB_SCALAR("allow_network_mounts", "allowNetworkMounts", 4, WR_PROTO_BOOL),
};
const struct wr_proto_message wr_fs_watch_request =
    WR_PB_MESSAGE("filesystem.WatchDirRequest", watch_fields);

static const struct wr_proto_enum_value event_types[] = {
    {"EVENT_TYPE_UNSPECIFIED", 0},
    {"EVENT_TYPE_CREATE", 1},
    {"EVENT_TYPE_WRITE", 2},
    {"EVENT_TYPE_REMOVE", 3},
    {"EVENT_TYPE_RENAME", 4},
    {"EVENT_TYPE_CHMOD", 5},
    {NULL, 0},
};
static const struct wr_proto_field event_fields[] = {
    WR_PB_SCALAR("name", "name", 1, WR_PROTO_STRING),
    WR_PB_ENUM("type", 2, event_types),
    WR_PB_SUB("entry", 3, entry),
};
static const struct wr_proto_message event =
    WR_PB_MESSAGE("filesystem.FilesystemEvent", event_fields);

static const struct wr_proto_field watch_dir_fields[] = {
    WR_PB_ONE_OF("start", 1, empty),
    WR_PB_ONE_OF("filesystem", 2, event),
    WR_PB_ONE_OF("keepalive", 3, empty),
};
const struct wr_proto_message wr_fs_watch_dir_response =
    WR_PB_MESSAGE("filesystem.WatchDirResponse", watch_dir_fields);

/* Watchers that are asked for their events */
static const struct wr_proto_field watcher_id_fields[] = {
    WR_PB_SCALAR("watcher_id", "watcherId", 1, WR_PROTO_STRING)};
static const struct wr_proto_field events_fields[] = {WR_PB_LIST("events", 1, event)};
const struct wr_proto_message wr_fs_create_watcher_response =
    WR_PB_MESSAGE("filesystem.CreateWatcherResponse", watcher_id_fields);
const struct wr_proto_message wr_fs_watcher_request =
    WR_PB_MESSAGE("filesystem.WatcherRequest", watcher_id_fields);
const struct wr_proto_message wr_fs_watcher_events_response =
    WR_PB_MESSAGE("filesystem.GetWatcherEventsResponse", events_fields);
