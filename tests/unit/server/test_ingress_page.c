/* Who gets a page instead of JSON, and what is in it. */
#include "base/str.h"
#include "server/ingress/browser.h"
#include "server/ingress/page.h"
#include "test.h"

#define FIREFOX \
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"

TEST(browsers_get_pages)
{
    static const struct {
        const char *fields;
        bool page;
    } rows[] = {
        {FIREFOX, true},
        {"User-Agent: Opera/9.80\r\n", true},
        {FIREFOX "Accept: */*\r\n", true},
        {FIREFOX "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n",
         true},
        {FIREFOX "Accept: text/html, application/json\r\n", true},
        {FIREFOX "Accept: application/json;q=0.8, text/html ; q=0.9\r\n", true},
        {FIREFOX "Accept: application/json;q=0\r\n", true},
        {FIREFOX "Accept: application/problem\r\n", true},
        {FIREFOX "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n", true},
        {FIREFOX "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n", true},
        {FIREFOX "Accept: application/json\r\n", false},
        {FIREFOX "Accept: APPLICATION/JSON , text/html;q=0.9\r\n", false},
        {FIREFOX "Accept: text/html;level=1;q=0.25, application/json;q=0.3\r\n", false},
        {FIREFOX "Accept: application/json, text/html\r\n", false},
        {FIREFOX "Accept: application/json, */*\r\n", false},
        {FIREFOX "Sec-Fetch-Mode: cors\r\n", false},
        {FIREFOX "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n", false},
        {FIREFOX "Sec-Fetch-Dest: empty\r\n", false},
        {FIREFOX "X-Requested-With: XMLHttpRequest\r\n", false},
        {"", false},
        {"User-Agent: curl/8.5\r\n", false},
        {"User-Agent: e2b-python-sdk/2.45\r\nAccept: text/html\r\n", false},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        char text[512];
        struct wr_h1_head head;
        struct wr_error err = {0};
        int status = 0;
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", rows[i].fields);
        CHECK(wr_h1_parse_request(text, strlen(text), &head, &status, &err) > 0);
        if (wr_wants_page(&head) != rows[i].page)
            wr_test_fail(__FILE__, __LINE__, "%s", rows[i].fields);
    }
}

TEST(everything_in_a_page_is_escaped)
{
    wr_auto_buf out = WR_BUF(16384);
    struct wr_page page = {
        .status = 502, .title = "<a> & 'b'", .text = "\"<script>\"", .hint = "</p>", .id = "x<y"};

    CHECK_INT(wr_page_write(&out, &page), 0);
    const char *text = wr_buf_cstr(&out);
    CHECK(wr_starts_with(text, "<html") && wr_ends_with(text, "</html>"));
    CHECK(strstr(text, "<h1>&lt;a&gt; &amp; &#39;b&#39;</h1>"));
    CHECK(strstr(text, "<p>&quot;&lt;script&gt;&quot;</p>"));
    CHECK(strstr(text, ">&lt;/p&gt;</p>") && strstr(text, "<dd>x&lt;y</dd>"));
    CHECK(!strstr(text, "<script"));
}

TEST(a_page_that_does_not_fit_fails)
{
    for (size_t max = 0; max < 3000; max += 7) {
        wr_auto_buf out = WR_BUF(0);
        wr_buf_init(&out, max);
        struct wr_page page = {.status = 502, .title = "t", .text = "t", .hint = "h", .id = "i"};
        int r = wr_page_write(&out, &page);
        CHECK(r < 0 || wr_ends_with(wr_buf_cstr(&out), "</html>"));
    }
}
