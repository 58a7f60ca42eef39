/* The fields that tell whether a person looks at an answer, and a page with any text in it: no text
 * opens a tag. */
#include "base/str.h"
#include "fuzz.h"
#include "server/ingress/browser.h"
#include "server/ingress/page.h"

static size_t count(const char *text, char c)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == c;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct wr_h1_head head = {.header_count = 2};
    wr_auto_buf text = WR_BUF(4096), out = WR_BUF(65536), empty = WR_BUF(65536);
    struct wr_page page = {.status = 502, .title = "", .text = "", .hint = "", .id = ""};

    head.headers[0] = (struct wr_h1_header){"User-Agent", 10, "Mozilla", 7};
    head.headers[1] = (struct wr_h1_header){"Accept", 6, bytes, size};
    bool wants = wr_wants_page(&head);
    HOLDS(wants || memchr(bytes, 'j', size) || memchr(bytes, 'J', size));
    if (size > 4000 || wr_buf_append(&text, data, size) < 0)
        return 0;
    HOLDS(wr_page_write(&empty, &page) == 0);
    page.title = page.text = page.hint = page.id = wr_buf_cstr(&text);
    if (wr_page_write(&out, &page) == 0)
        HOLDS(count(wr_buf_cstr(&out), '<') == count(wr_buf_cstr(&empty), '<'));
    return 0;
}
