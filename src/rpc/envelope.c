#include "rpc/envelope.h"

#include <errno.h>
#include <string.h>

void wr_envelope_header(unsigned char header[static WR_CONNECT_HEADER_LEN], uint8_t flags,
                        size_t len)
{
    header[0] = flags;
    header[1] = (unsigned char)(len >> 24);
    header[2] = (unsigned char)(len >> 16);
    header[3] = (unsigned char)(len >> 8);
    header[4] = (unsigned char)len;
}

int wr_envelope_write(struct wr_buf *out, uint8_t flags, const void *payload, size_t len)
{
    unsigned char header[WR_CONNECT_HEADER_LEN];

    if (len > UINT32_MAX)
        return -EMSGSIZE;
    wr_envelope_header(header, flags, len);
    char *to = wr_buf_reserve(out, sizeof(header) + len);
    if (!to)
        return wr_buf_room(out) < sizeof(header) + len ? -ENOBUFS : -ENOMEM;
    memcpy(to, header, sizeof(header));
    if (len > 0)
        memcpy(to + sizeof(header), payload, len);
    wr_buf_commit(out, sizeof(header) + len);
    return 0;
}

ssize_t wr_envelope_read(const char *data, size_t len, uint8_t allowed, struct wr_envelope *ret,
                         struct wr_error *err)
{
    const unsigned char *p = (const unsigned char *)data;

    if (len == 0)
        return 0;
    if ((p[0] & WR_CONNECT_COMPRESSED) && !(allowed & WR_CONNECT_COMPRESSED))
        return wr_fail(err, WR_E_UNIMPLEMENTED, 0,
                       "compressed messages are not supported without a known "
                       "Connect-Content-Encoding");
    if (p[0] & ~allowed)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "unknown envelope flags 0x%02x", p[0]);
    if (len < WR_CONNECT_HEADER_LEN)
        return 0;
    size_t size = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (size > WR_CONNECT_MAX_MESSAGE)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "message of %zu bytes is over the limit of %d bytes", size,
                       WR_CONNECT_MAX_MESSAGE);
    if (len - WR_CONNECT_HEADER_LEN < size)
        return 0;
    *ret = (struct wr_envelope){p[0], data + WR_CONNECT_HEADER_LEN, size};
    return (ssize_t)(WR_CONNECT_HEADER_LEN + size);
}
