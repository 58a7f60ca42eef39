/* The envelopes of Connect's streams: one byte of flags, four bytes of length, the message. */
#pragma once

#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

#define WR_CONNECT_HEADER_LEN  5
#define WR_CONNECT_COMPRESSED  0x01
#define WR_CONNECT_END_STREAM  0x02
#define WR_CONNECT_MAX_MESSAGE (8 * 1024 * 1024)

struct wr_envelope {
    uint8_t flags;
    const char *payload; /* borrowed from the bytes that were read */
    size_t len;
};

/* The five bytes in front of a message of `len` bytes. */
void wr_envelope_header(unsigned char header[static WR_CONNECT_HEADER_LEN], uint8_t flags,
                        size_t len);
/* Appends flags, big-endian length and payload. 0 or -errno. */
int wr_envelope_write(struct wr_buf *out, uint8_t flags, const void *payload, size_t len)
    WR_MUST_CHECK;
/* Looks at the front of `data`: the length of the whole envelope, 0 when more bytes are needed,
 * -WR_E_* for one that is too long or has a flag outside of `allowed`. */
ssize_t wr_envelope_read(const char *data, size_t len, uint8_t allowed, struct wr_envelope *ret,
                         struct wr_error *err) WR_MUST_CHECK;
