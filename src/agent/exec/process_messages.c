#include "agent/exec/process_messages.h"

#include "rpc/proto_table.h"

static const struct wr_proto_message empty = {.name = "process.Empty"};

static const struct wr_proto_field size_fields[] = {
    WR_PB_SCALAR("cols", "cols", 1, WR_PROTO_UINT32),
    WR_PB_SCALAR("rows", "rows", 2, WR_PROTO_UINT32),
};
static const struct wr_proto_message size = WR_PB_MESSAGE("process.PTY.Size", size_fields);

static const struct wr_proto_field pty_fields[] = {WR_PB_SUB("size", 1, size)};
static const struct wr_proto_message pty = WR_PB_MESSAGE("process.PTY", pty_fields);

static const struct wr_proto_field config_fields[] = {
    WR_PB_SCALAR("cmd", "cmd", 1, WR_PROTO_STRING),
    {.name = "args", .json_name = "args", .number = 2, .kind = WR_PROTO_STRING, .repeated = true},
    WR_PB_SCALAR("envs", "envs", 3, WR_PROTO_STRING_MAP),
    WR_PB_OPTIONAL("cwd", 4, WR_PROTO_STRING),
};
static const struct wr_proto_message config = WR_PB_MESSAGE("process.ProcessConfig", config_fields);

static const struct wr_proto_field selector_fields[] = {
    WR_PB_ONE_OF_SCALAR("pid", 1, WR_PROTO_UINT32),
    WR_PB_ONE_OF_SCALAR("tag", 2, WR_PROTO_STRING),
};
static const struct wr_proto_message selector =
    WR_PB_MESSAGE("process.ProcessSelector", selector_fields);

/* List */
static const struct wr_proto_field info_fields[] = {
    WR_PB_SUB("config", 1, config),
    WR_PB_SCALAR("pid", "pid", 2, WR_PROTO_UINT32),
    WR_PB_OPTIONAL("tag", 3, WR_PROTO_STRING),
};
static const struct wr_proto_message info = WR_PB_MESSAGE("process.ProcessInfo", info_fields);

static const struct wr_proto_field list_response_fields[] = {
    WR_PB_LIST("processes", 1, info),
};
const struct wr_proto_message wr_process_list_request = {.name = "process.ListRequest"};
const struct wr_proto_message wr_process_list_response =
    WR_PB_MESSAGE("process.ListResponse", list_response_fields);

/* Start and Connect */
static const struct wr_proto_field start_event_fields[] = {
    WR_PB_SCALAR("pid", "pid", 1, WR_PROTO_UINT32)};
static const struct wr_proto_message start_event =
    WR_PB_MESSAGE("process.ProcessEvent.StartEvent", start_event_fields);

static const struct wr_proto_field data_event_fields[] = {
    WR_PB_ONE_OF_SCALAR("stdout", 1, WR_PROTO_BYTES),
    WR_PB_ONE_OF_SCALAR("stderr", 2, WR_PROTO_BYTES),
    WR_PB_ONE_OF_SCALAR("pty", 3, WR_PROTO_BYTES),
};
static const struct wr_proto_message data_event =
    WR_PB_MESSAGE("process.ProcessEvent.DataEvent", data_event_fields);

static const struct wr_proto_field end_event_fields[] = {
    WR_PB_SCALAR("exit_code", "exitCode", 1, WR_PROTO_SINT32),
    WR_PB_SCALAR("exited", "exited", 2, WR_PROTO_BOOL),
    WR_PB_SCALAR("status", "status", 3, WR_PROTO_STRING),
    WR_PB_OPTIONAL("error", 4, WR_PROTO_STRING),
};
static const struct wr_proto_message end_event =
    WR_PB_MESSAGE("process.ProcessEvent.EndEvent", end_event_fields);

static const struct wr_proto_field event_fields[] = {
    WR_PB_ONE_OF("start", 1, start_event),
    WR_PB_ONE_OF("data", 2, data_event),
    WR_PB_ONE_OF("end", 3, end_event),
    WR_PB_ONE_OF("keepalive", 4, empty),
};
static const struct wr_proto_message event = WR_PB_MESSAGE("process.ProcessEvent", event_fields);

static const struct wr_proto_field start_request_fields[] = {
    WR_PB_SUB("process", 1, config),
    WR_PB_SUB("pty", 2, pty),
    WR_PB_OPTIONAL("tag", 3, WR_PROTO_STRING),
    WR_PB_OPTIONAL("stdin", 4, WR_PROTO_BOOL),
};
static const struct wr_proto_field with_event_fields[] = {WR_PB_SUB("event", 1, event)};
static const struct wr_proto_field with_selector_fields[] = {WR_PB_SUB("process", 1, selector)};
const struct wr_proto_message wr_process_start_request =
    WR_PB_MESSAGE("process.StartRequest", start_request_fields);
const struct wr_proto_message wr_process_start_response =
    WR_PB_MESSAGE("process.StartResponse", with_event_fields);
const struct wr_proto_message wr_process_connect_request =
    WR_PB_MESSAGE("process.ConnectRequest", with_selector_fields);
const struct wr_proto_message wr_process_connect_response =
    WR_PB_MESSAGE("process.ConnectResponse", with_event_fields);

/* The rest answers with an empty message. */
static const struct wr_proto_field update_fields[] = {
    WR_PB_SUB("process", 1, selector),
    WR_PB_SUB("pty", 2, pty),
};
static const struct wr_proto_field input_fields[] = {
    WR_PB_ONE_OF_SCALAR("stdin", 1, WR_PROTO_BYTES),
    WR_PB_ONE_OF_SCALAR("pty", 2, WR_PROTO_BYTES),
};
static const struct wr_proto_message input = WR_PB_MESSAGE("process.ProcessInput", input_fields);

static const struct wr_proto_field send_input_fields[] = {
    WR_PB_SUB("process", 1, selector),
    WR_PB_SUB("input", 2, input),
};

static const struct wr_proto_message stream_start =
    WR_PB_MESSAGE("process.StreamInputRequest.StartEvent", with_selector_fields);
static const struct wr_proto_field stream_data_fields[] = {WR_PB_SUB("input", 2, input)};
static const struct wr_proto_message stream_data =
    WR_PB_MESSAGE("process.StreamInputRequest.DataEvent", stream_data_fields);
static const struct wr_proto_field stream_input_fields[] = {
    WR_PB_ONE_OF("start", 1, stream_start),
    WR_PB_ONE_OF("data", 2, stream_data),
    WR_PB_ONE_OF("keepalive", 3, empty),
};

/* SIGINT is not envd's. */
static const struct wr_proto_enum_value signals[] = {
    {"SIGNAL_UNSPECIFIED", 0},
    {"SIGNAL_SIGINT", 2},
    {"SIGNAL_SIGKILL", 9},
    {"SIGNAL_SIGTERM", 15},
    {NULL, 0},
};
static const struct wr_proto_field send_signal_fields[] = {
    WR_PB_SUB("process", 1, selector),
    WR_PB_ENUM("signal", 2, signals),
};

const struct wr_proto_message wr_process_update_request =
    WR_PB_MESSAGE("process.UpdateRequest", update_fields);
const struct wr_proto_message wr_process_send_input_request =
    WR_PB_MESSAGE("process.SendInputRequest", send_input_fields);
const struct wr_proto_message wr_process_stream_input_request =
    WR_PB_MESSAGE("process.StreamInputRequest", stream_input_fields);
const struct wr_proto_message wr_process_send_signal_request =
    WR_PB_MESSAGE("process.SendSignalRequest", send_signal_fields);
const struct wr_proto_message wr_process_close_stdin_request =
    WR_PB_MESSAGE("process.CloseStdinRequest", with_selector_fields);
const struct wr_proto_message wr_process_empty_response = {.name = "process.Empty"};
