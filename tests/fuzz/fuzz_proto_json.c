/* A message as a client's JSON, its kind in the first byte: normalising it twice changes nothing
 * more, and what can be encoded decodes to what the encoder was given. */
#include "agent/exec/process_messages.h"
#include "agent/fs/filesystem_messages.h"
#include "fuzz.h"
#include "json/jread.h"

static const struct wr_proto_message *const messages[] = {
    &wr_process_start_request,  &wr_process_send_input_request, &wr_process_send_signal_request,
    &wr_process_update_request, &wr_fs_list_dir_request,        &wr_fs_watch_request,
    &wr_fs_entry_response,      &wr_process_start_response,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_auto_json *json = NULL, *again = NULL;
    struct wr_error err;

    if (size == 0 || wr_json_parse((const char *)data + 1, size - 1, &json, &err) < 0)
        return 0;
    const struct wr_proto_message *message = messages[data[0] % WR_ARRAY_SIZE(messages)];
    if (wr_proto_normalize(message, json, &err) < 0)
        return 0;
    wr_auto_json *twice = json_deep_copy(json);
    HOLDS(twice && wr_proto_normalize(message, twice, &err) == 0 && json_equal(json, twice));
    wr_auto_buf out = WR_BUF(8 * size + 1024);
    /* Base64 that is none, and names of enums that do not exist, are for the handlers to refuse. */
    if (wr_proto_encode(message, json, &out, &err) < 0)
        return 0;
    HOLDS(wr_proto_decode(message, wr_buf_ptr(&out), out.len, &again, &err) == 0);
    return 0;
}
