/* A chunked body: the payload does not depend on how the bytes are cut. The first byte is the size
 * of the pieces. */
#include "fuzz.h"
#include "http/h1.h"

struct outcome {
    bool failed, done;
    size_t used, payload_len;
    uint64_t hash;
};

static struct outcome decode(const char *data, size_t len, size_t piece)
{
    const struct wr_h1_head head = {.framing = WR_H1_BODY_CHUNKED};
    struct wr_h1_body body;
    struct outcome o = {.hash = 14695981039346656037u};
    struct wr_error err;
    size_t end = 0;

    wr_h1_body_init(&body, &head);
    while (!body.done) {
        const char *part = NULL;
        size_t part_len = 0;
        ssize_t n = wr_h1_body_decode(&body, data + o.used, end - o.used, &part, &part_len, &err);
        if (n < 0) {
            o.failed = true;
            break;
        }
        HOLDS(part_len <= (size_t)n && (size_t)n <= end - o.used);
        HOLDS(part_len == 0 || (part >= data + o.used && part + part_len <= data + o.used + n));
        for (size_t i = 0; i < part_len; i++)
            o.hash = (o.hash ^ (unsigned char)part[i]) * 1099511628211u;
        o.payload_len += part_len;
        o.used += (size_t)n;
        if (n == 0 && end == len)
            break;
        if (n == 0)
            end = end + piece < len ? end + piece : len;
    }
    o.done = body.done;
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    struct outcome whole = decode(text, size - 1, size);
    struct outcome cut = decode(text, size - 1, (size_t)data[0] + 1);
    HOLDS(whole.failed == cut.failed && whole.done == cut.done);
    HOLDS(whole.payload_len == cut.payload_len && whole.hash == cut.hash);
    HOLDS(whole.failed || whole.used == cut.used);
    return 0;
}
