/* The metadata of an uploaded file, from the fields of its request: clean, bounded, and no key
 * twice. */
#include "agent/fs/metadata.h"
#include "fuzz.h"

static void check_pairs(const struct wr_metadata *m)
{
    const char *pos = wr_buf_ptr(&m->pairs), *start = pos;

    HOLDS(m->pairs.len <= WR_METADATA_TOTAL_MAX + 2 * m->count);
    for (size_t i = 0; i < m->count; i++) {
        const char *name = pos, *value = name + strlen(name) + 1;
        HOLDS(strncmp(name, WR_METADATA_PREFIX, sizeof(WR_METADATA_PREFIX) - 1) == 0);
        HOLDS(strlen(name) <= sizeof(WR_METADATA_PREFIX) - 1 + WR_METADATA_KEY_MAX);
        for (const char *c = name; *c; c++)
            HOLDS(*c > 0x20 && *c < 0x7f && !(*c >= 'A' && *c <= 'Z'));
        for (const char *c = value; *c; c++)
            HOLDS(*c >= 0x20 && *c < 0x7f);
        for (const char *other = start; other < name;) {
            HOLDS(strcmp(other, name) != 0);
            other += strlen(other) + 1;
            other += strlen(other) + 1;
        }
        pos = value + strlen(value) + 1;
    }
    HOLDS(pos == start + m->pairs.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char start[] = "POST / HTTP/1.1\r\nHost: x\r\n";
    static struct wr_h1_head head;
    wr_auto_buf text = WR_BUF(WR_HTTP_MAX_HEAD);
    struct wr_metadata metadata = {0};
    struct wr_error err = {0};
    int status = 0;

    if (wr_buf_append(&text, start, sizeof(start) - 1) < 0 ||
        wr_buf_append(&text, data, size) < 0 || wr_buf_append(&text, "\r\n\r\n", 4) < 0 ||
        wr_h1_parse_request(wr_buf_ptr(&text), text.len, &head, &status, &err) <= 0)
        return 0;
    int r = wr_metadata_parse(&head, &metadata, &err);
    HOLDS(r == 0 || r == -WR_E_INVALID_ARGUMENT);
    if (r == 0)
        check_pairs(&metadata);
    wr_metadata_done(&metadata);
    return 0;
}
