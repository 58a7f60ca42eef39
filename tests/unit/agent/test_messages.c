/* The tables of messages against bytes that the generated code of e2b's Python SDK has written. */
#include <jansson.h>

#include "agent/exec/process_messages.h"
#include "agent/fs/filesystem_messages.h"
#include "test.h"

#define BYTES(text) text, sizeof(text) - 1

/* Rows were made by the SDK: to_binary() and to_json() of one message each. */
static const struct {
    const struct wr_proto_message *message;
    const char *binary;
    size_t len;
    const char *json;
} vectors[] = {
    {&wr_process_start_request,
     BYTES(
         "\012,\012\011/bin/bash\022\002-l\022\002-c\022\007echo hi\022\000\032\006\012\001A\022\001b\"\004/tmp\032\001t \000"),
     "{\"process\":{\"cmd\":\"/bin/bash\",\"args\":[\"-l\",\"-c\",\"echo hi\",\"\"],\"envs\":{\"A\":\"b\"},\"cwd\":\"/tmp\"},\"tag\":\"t\",\"stdin\":false}"},
    {&wr_process_start_request, BYTES("\012\006\012\004bash\022\007\012\005\010P\020\254\002"),
     "{\"process\":{\"cmd\":\"bash\"},\"pty\":{\"size\":{\"cols\":80,\"rows\":300}}}"},
    {&wr_process_start_request, BYTES(""), "{}"},
    {&wr_process_start_response, BYTES("\012\010\012\006\010\377\377\377\377\017"),
     "{\"event\":{\"start\":{\"pid\":4294967295}}}"},
    {&wr_process_start_response,
     BYTES(
         "\012\210\001\022\205\001\012\202\001\000\377xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
     "{\"event\":{\"data\":{\"stdout\":\"AP94eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eA==\"}}}"},
    {&wr_process_start_response, BYTES("\012\004\022\002\032\000"),
     "{\"event\":{\"data\":{\"pty\":\"\"}}}"},
    {&wr_process_start_response,
     BYTES("\012$\032\"\010\001\032\016signal: killed\"\016signal: killed"),
     "{\"event\":{\"end\":{\"exitCode\":-1,\"status\":\"signal: killed\",\"error\":\"signal: killed\"}}}"},
    {&wr_process_start_response,
     BYTES("\012\032\032\030\010\376\001\020\001\032\017exit status 127\"\000"),
     "{\"event\":{\"end\":{\"exitCode\":127,\"exited\":true,\"status\":\"exit status 127\",\"error\":\"\"}}}"},
    {&wr_process_connect_response, BYTES("\012\002\"\000"), "{\"event\":{\"keepalive\":{}}}"},
    {&wr_process_connect_request, BYTES("\012\002\010\000"), "{\"process\":{\"pid\":0}}"},
    {&wr_process_close_stdin_request, BYTES("\012\013\022\011ta\303\244\360\237\230\200g"),
     "{\"process\":{\"tag\":\"ta\303\244\360\237\230\200g\"}}"},
    {&wr_process_list_response,
     BYTES("\012\007\012\003\012\001a\020\007\012\012\012\003\012\001b\020\254\002\032\000"),
     "{\"processes\":[{\"config\":{\"cmd\":\"a\"},\"pid\":7},{\"config\":{\"cmd\":\"b\"},\"pid\":300,\"tag\":\"\"}]}"},
    {&wr_process_send_signal_request, BYTES("\012\003\010\200\001\020\011"),
     "{\"process\":{\"pid\":128},\"signal\":\"SIGNAL_SIGKILL\"}"},
    {&wr_process_send_input_request, BYTES("\012\002\010\001\022\005\012\003\000\377\012"),
     "{\"process\":{\"pid\":1},\"input\":{\"stdin\":\"AP8K\"}}"},
    {&wr_process_stream_input_request, BYTES("\012\004\012\002\010\011"),
     "{\"start\":{\"process\":{\"pid\":9}}}"},
    {&wr_process_stream_input_request, BYTES("\022\007\022\005\022\003ls\015"),
     "{\"data\":{\"input\":{\"pty\":\"bHMN\"}}}"},
    {&wr_process_stream_input_request, BYTES("\032\000"), "{\"keepalive\":{}}"},
    {&wr_process_update_request, BYTES("\012\002\010\005\022\004\012\002\020\001"),
     "{\"process\":{\"pid\":5},\"pty\":{\"size\":{\"rows\":1}}}"},
    {&wr_fs_move_request, BYTES("\012\001a\022\004b/\303\274"),
     "{\"source\":\"a\",\"destination\":\"b/\303\274\"}"},
    {&wr_fs_list_dir_request, BYTES("\012\002/x\020\200\320\254\363\016"),
     "{\"path\":\"/x\",\"depth\":4000000000}"},
    {&wr_fs_entry_response,
     BYTES(
         "\012D\012\001f\020\001\032\002/f \201\200\200\200\200\200\200\020(\244\0032\012-rw-r--r--:\004userB\0010J\014\010\245\353\334\312\006\020\200\312\265\356\001R\002/tZ\006\012\001k\022\001v"),
     "{\"entry\":{\"name\":\"f\",\"type\":\"FILE_TYPE_FILE\",\"path\":\"/f\",\"size\":\"9007199254740993\",\"mode\":420,\"permissions\":\"-rw-r--r--\",\"owner\":\"user\",\"group\":\"0\",\"modifiedTime\":\"2026-01-02T03:04:05.500Z\",\"symlinkTarget\":\"/t\",\"metadata\":{\"k\":\"v\"}}}"},
    {&wr_fs_entry_response,
     BYTES(
         "\012\034\020\002 \377\377\377\377\377\377\377\377\377\001J\015\010\377\377\377\377\377\377\377\377\377\001\020\001"),
     "{\"entry\":{\"type\":\"FILE_TYPE_DIRECTORY\",\"size\":\"-1\",\"modifiedTime\":\"1969-12-31T23:59:59.000000001Z\"}}"},
    {&wr_fs_watch_request, BYTES("\012\001d\020\001\030\001 \001"),
     "{\"path\":\"d\",\"recursive\":true,\"includeEntry\":true,\"allowNetworkMounts\":true}"},
    {&wr_fs_watch_dir_response, BYTES("\022\007\012\003a/b\020\005"),
     "{\"filesystem\":{\"name\":\"a/b\",\"type\":\"EVENT_TYPE_CHMOD\"}}"},
    {&wr_fs_watch_dir_response, BYTES("\012\000"), "{\"start\":{}}"},
    {&wr_fs_watcher_request, BYTES("\012\004w123"), "{\"watcherId\":\"w123\"}"},
    {&wr_fs_watcher_events_response, BYTES("\012\005\012\001x\020\001\012\005\012\001.\020\003"),
     "{\"events\":[{\"name\":\"x\",\"type\":\"EVENT_TYPE_CREATE\"},{\"name\":\".\",\"type\":\"EVENT_TYPE_REMOVE\"}]}"},
};

TEST(binary_to_json)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(vectors); i++) {
        struct wr_error err = {0};
        json_t *got = NULL;
        if (wr_proto_decode(vectors[i].message, vectors[i].binary, vectors[i].len, &got, &err) < 0)
            wr_test_fail(__FILE__, __LINE__, "row %zu: %s", i, err.msg);
        json_t *expected = json_loads(vectors[i].json, 0, NULL);
        CHECK(expected != NULL);
        if (!json_equal(got, expected))
            wr_test_fail(__FILE__, __LINE__, "row %zu: %s is not %s", i,
                         json_dumps(got, JSON_COMPACT), vectors[i].json);
        json_decref(expected);
        json_decref(got);
    }
}

TEST(json_to_binary)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(vectors); i++) {
        struct wr_error err = {0};
        wr_auto_buf out = WR_BUF(4096);
        json_t *json = json_loads(vectors[i].json, 0, NULL);
        if (wr_proto_encode(vectors[i].message, json, &out, &err) < 0)
            wr_test_fail(__FILE__, __LINE__, "row %zu: %s", i, err.msg);
        if (out.len != vectors[i].len ||
            (out.len > 0 && memcmp(wr_buf_ptr(&out), vectors[i].binary, out.len) != 0))
            wr_test_fail(__FILE__, __LINE__, "row %zu: other bytes", i);
        json_decref(json);
    }
}

TEST(their_json_needs_no_change)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(vectors); i++) {
        struct wr_error err = {0};
        json_t *json = json_loads(vectors[i].json, 0, NULL);
        json_t *expected = json_deep_copy(json);
        if (wr_proto_normalize(vectors[i].message, json, &err) < 0)
            wr_test_fail(__FILE__, __LINE__, "row %zu: %s", i, err.msg);
        CHECK(json_equal(json, expected));
        json_decref(expected);
        json_decref(json);
    }
}
