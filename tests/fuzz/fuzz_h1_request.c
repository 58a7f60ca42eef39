/* A request head: pointers stay inside, prefixes agree, what was accepted is accepted again when
 * written anew with the same meaning. */
#include "fuzz.h"
#include "http/h1.h"

static bool inside(const char *p, size_t len, const uint8_t *data, size_t size)
{
    const char *start = (const char *)data;
    return p >= start && len <= size && (size_t)(p - start) <= size - len;
}

static void check_pointers(const struct wr_h1_head *head, const uint8_t *data, size_t size)
{
    HOLDS(inside(head->method, head->method_len, data, size));
    HOLDS(inside(head->target, head->target_len, data, size));
    HOLDS(head->header_count <= WR_HTTP_MAX_HEADERS);
    for (size_t i = 0; i < head->header_count; i++) {
        HOLDS(inside(head->headers[i].name, head->headers[i].name_len, data, size));
        HOLDS(inside(head->headers[i].value, head->headers[i].value_len, data, size));
    }
}

static void check_rewritten(const struct wr_h1_head *head)
{
    wr_auto_buf out = WR_BUF(2 * WR_HTTP_MAX_HEAD);
    struct wr_error err;
    struct wr_h1_head again;
    char method[WR_HTTP_MAX_METHOD + 1];
    static char target[WR_HTTP_MAX_TARGET + 1];
    int status = 0;

    memcpy(method, head->method, head->method_len);
    method[head->method_len] = '\0';
    memcpy(target, head->target, head->target_len);
    target[head->target_len] = '\0';
    if (head->minor_version == 0)
        return;
    HOLDS(wr_h1_write_request(&out, method, target) == 0);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct wr_h1_header *h = &head->headers[i];
        HOLDS(wr_h1_write_header_n(&out, h->name, h->name_len, h->value, h->value_len) == 0);
        (void)wr_h1_is_hop_by_hop(head, h);
    }
    HOLDS(wr_h1_write_end(&out) == 0);
    if (out.len > WR_HTTP_MAX_HEAD)
        return;
    HOLDS(wr_h1_parse_request(wr_buf_ptr(&out), out.len, &again, &status, &err) ==
          (ssize_t)out.len);
    HOLDS(again.header_count == head->header_count && again.framing == head->framing &&
          again.content_length == head->content_length && again.keep_alive == head->keep_alive &&
          again.upgrade == head->upgrade && again.expect_continue == head->expect_continue);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wr_h1_head head, part;
    struct wr_error err;
    int status = 0, part_status = 0;

    ssize_t r = wr_h1_parse_request((const char *)data, size, &head, &status, &err);
    HOLDS(r <= (ssize_t)size);
    HOLDS((r >= 0) == (status == 0));
    if (r > 0) {
        check_pointers(&head, data, (size_t)r);
        check_rewritten(&head);
    }
    size_t step = size / 64 + 1;
    for (size_t n = 0; n < size; n += step) {
        ssize_t p = wr_h1_parse_request((const char *)data, n, &part, &part_status, &err);
        HOLDS(p == 0 || (p == r && (p > 0 || part_status == status)));
    }
    return 0;
}
