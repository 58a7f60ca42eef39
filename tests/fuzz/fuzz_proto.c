/* A message in the binary form, its kind in the first byte: what is decoded can be encoded, is
 * normal already, and decodes to the same again. */
#include "agent/exec/process_messages.h"
#include "agent/fs/filesystem_messages.h"
#include "fuzz.h"
#include "json/jread.h"

static const struct wr_proto_message *const messages[] = {
    &wr_process_start_request,
    &wr_process_start_response,
    &wr_process_send_input_request,
    &wr_process_stream_input_request,
    &wr_process_send_signal_request,
    &wr_process_update_request,
    &wr_process_list_response,
    &wr_fs_move_request,
    &wr_fs_list_dir_request,
    &wr_fs_entry_response,
    &wr_fs_watch_request,
    &wr_fs_watcher_request,
    &wr_fs_watch_dir_response,
    &wr_fs_watcher_events_response,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_auto_json *json = NULL, *again = NULL;
    struct wr_error err;

    if (size == 0)
        return 0;
    const struct wr_proto_message *message = messages[data[0] % WR_ARRAY_SIZE(messages)];
    if (wr_proto_decode(message, data + 1, size - 1, &json, &err) < 0)
        return 0;
    /* Numbers may take more bytes than they need, so the text may be longer than the input. */
    wr_auto_buf out = WR_BUF(8 * size + 1024);
    HOLDS(wr_proto_encode(message, json, &out, &err) == 0);
    HOLDS(wr_proto_decode(message, wr_buf_ptr(&out), out.len, &again, &err) == 0);
    HOLDS(json_equal(json, again));
    HOLDS(wr_proto_normalize(message, again, &err) == 0);
    HOLDS(json_equal(json, again));
    return 0;
}
