/* The manifest of a snapshot: as it lies on the disk, and with a right checksum around any object;
 * one that is read is written back to the same text. */
#include "base/buf.h"
#include "engine/snapshot/manifest.h"
#include "fuzz.h"

#define MAX_TEXT (2 * WR_MANIFEST_MAX_BYTES)

static void check(const char *text, size_t len)
{
    wr_auto_buf first = WR_BUF(MAX_TEXT), second = WR_BUF(MAX_TEXT);
    struct wr_manifest manifest = {.file_count = 0}, again = {.file_count = 0};
    struct wr_error err = {.code = WR_OK};

    if (wr_manifest_read(text, len, &manifest, &err) < 0) {
        HOLDS(err.code == WR_E_DATA_LOSS && manifest.file_count == 0);
        return;
    }
    HOLDS(wr_id_valid(manifest.id) && manifest.layer_count > 0);
    for (size_t i = 0; i < manifest.file_count; i++)
        HOLDS(manifest.files[i].name[0] && !strchr(manifest.files[i].name, '/'));
    HOLDS(wr_manifest_write(&manifest, &first) == 0);
    HOLDS(wr_manifest_read(wr_buf_ptr(&first), first.len, &again, &err) == 0);
    HOLDS(wr_manifest_write(&again, &second) == 0);
    HOLDS(first.len == second.len &&
          memcmp(wr_buf_ptr(&first), wr_buf_ptr(&second), first.len) == 0);
    wr_manifest_done(&manifest);
    wr_manifest_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_auto_buf text = WR_BUF(MAX_TEXT);
    char hash[WR_HASH_LEN + 1];

    check((const char *)data, size);
    wr_hash_bytes(data, size, hash);
    HOLDS(wr_buf_append_str(&text, "{\"manifest\":") == 0);
    if (wr_buf_append(&text, data, size) == 0 &&
        wr_buf_printf(&text, ",\"hash\":\"%s\"}\n", hash) == 0)
        check(wr_buf_ptr(&text), text.len);
    return 0;
}
