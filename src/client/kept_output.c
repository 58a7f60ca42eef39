#include "client/kept_output.h"

#include <errno.h>

#include "json/value.h"

void wr_kept_output_init(struct wr_kept_output *output, uint64_t max_bytes)
{
    *output = (struct wr_kept_output){0};
    wr_buf_init(&output->bytes, (size_t)WR_MIN(max_bytes, (uint64_t)(SIZE_MAX / 4)));
}

void wr_kept_output_done(struct wr_kept_output *output)
{
    wr_buf_done(&output->bytes);
}

int wr_kept_output_add(struct wr_kept_output *output, const void *bytes, size_t len,
                       size_t *ret_kept, struct wr_error *err)
{
    size_t kept = output->dropped ? 0 : WR_MIN(len, wr_buf_room(&output->bytes));

    if (kept > 0 && wr_buf_append(&output->bytes, bytes, kept) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "output of %zu bytes",
                       output->bytes.len);
    output->dropped += len - kept;
    if (ret_kept)
        *ret_kept = kept;
    return 0;
}

/* Length without the beginning of a character at the end. */
static size_t whole_characters(const char *bytes, size_t len)
{
    size_t back = 0;

    while (back < 3 && back < len && ((unsigned char)bytes[len - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back == len)
        return len;
    unsigned char first = (unsigned char)bytes[len - 1 - back];
    size_t wants = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    return wants > back + 1 ? len - back - 1 : len;
}

struct wr_value *wr_kept_output_value(const struct wr_kept_output *output)
{
    const char *bytes = wr_buf_ptr(&output->bytes);
    size_t len = output->bytes.len;

    if (output->dropped)
        len = whole_characters(bytes, len);
    return wr_value_of_bytes(bytes, len);
}
