#include "primitives/core/traceparent.h"

#include <string.h>

#include "base/encode.h"
#include "base/rand.h"
#include "base/str.h"

/* `count` bytes from lower-case hex; false for anything else, and for zeros only. */
static bool read_id(const char *hex, uint8_t *out, size_t count)
{
    uint8_t any = 0;

    for (size_t i = 0; i < count; i++) {
        int high = wr_hex_value(hex[2 * i]), low = high < 0 ? -1 : wr_hex_value(hex[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
        any |= out[i];
    }
    return any;
}

bool wr_traceparent_parse(const char *text, struct wr_traceparent *ret)
{
    struct wr_traceparent trace;
    uint8_t flags[2] = {0};

    if (!wr_str_only(text, "0123456789abcdef-", WR_TRACEPARENT_SIZE - 1, WR_TRACEPARENT_SIZE - 1) ||
        !wr_starts_with(text, "00-") || text[35] != '-' || text[52] != '-' ||
        !read_id(text + 3, trace.trace_id, sizeof trace.trace_id) ||
        !read_id(text + 36, trace.span_id, sizeof trace.span_id))
        return false;
    (void)read_id(text + 53, flags, 1); /* 00 is allowed */
    trace.flags = flags[0];
    if (wr_hex_value(text[53]) < 0 || wr_hex_value(text[54]) < 0)
        return false;
    *ret = trace;
    return true;
}

void wr_traceparent_write(const struct wr_traceparent *trace, char ret[static WR_TRACEPARENT_SIZE])
{
    memcpy(ret, "00-", 3);
    wr_hex_encode(trace->trace_id, sizeof trace->trace_id, ret + 3);
    ret[35] = '-';
    wr_hex_encode(trace->span_id, sizeof trace->span_id, ret + 36);
    ret[52] = '-';
    wr_hex_encode(&trace->flags, 1, ret + 53);
}

void wr_traceparent_random(struct wr_traceparent *ret)
{
    *ret = (struct wr_traceparent){.flags = 1};
    wr_random_bytes(ret->trace_id, sizeof ret->trace_id);
    ret->trace_id[0] |= 1; /* all zero is not an id */
}
