/* A stream of Connect envelopes; every one that is read is written back to the same bytes. */
#include "fuzz.h"
#include "rpc/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t pos = 0;

    while (pos < size) {
        struct wr_error err;
        struct wr_envelope e = {0};
        ssize_t n = wr_envelope_read((const char *)data + pos, size - pos,
                                     WR_CONNECT_END_STREAM | WR_CONNECT_COMPRESSED, &e, &err);
        if (n <= 0)
            break;
        HOLDS((size_t)n <= size - pos && (size_t)n == e.len + WR_CONNECT_HEADER_LEN);
        wr_auto_buf out = WR_BUF(WR_CONNECT_MAX_MESSAGE + WR_CONNECT_HEADER_LEN);
        HOLDS(wr_envelope_write(&out, e.flags, e.payload, e.len) == 0);
        HOLDS(out.len == (size_t)n && memcmp(wr_buf_ptr(&out), data + pos, out.len) == 0);
        pos += (size_t)n;
    }
    return 0;
}
