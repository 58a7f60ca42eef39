/* A response head, as an answer to GET and to HEAD; prefixes agree. The first byte chooses. */
#include "fuzz.h"
#include "http/h1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wr_h1_head head, part;
    struct wr_error err;

    if (size == 0)
        return 0;
    bool head_request = data[0] == 'H' && size > 1 && data[1] == '!';
    const char *text = (const char *)data + (head_request ? 2 : 0);
    size_t len = size - (head_request ? 2 : 0);
    ssize_t r = wr_h1_parse_response(text, len, head_request, &head, &err);
    HOLDS(r <= (ssize_t)len);
    if (r > 0) {
        HOLDS(head.status >= 100 && head.status <= 999);
        HOLDS(!head_request || head.framing == WR_H1_BODY_NONE);
        HOLDS(head.reason_len <= (size_t)r && head.reason >= text);
        for (size_t i = 0; i < head.header_count; i++)
            HOLDS(head.headers[i].value + head.headers[i].value_len <= text + r);
    }
    size_t step = len / 64 + 1;
    for (size_t n = 0; n < len; n += step) {
        ssize_t p = wr_h1_parse_response(text, n, head_request, &part, &err);
        HOLDS(p == 0 || p == r);
    }
    return 0;
}
