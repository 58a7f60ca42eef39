/* What tells an HTTP client from another one by its first bytes. */
#include <string.h>

#include "http/limits.h"
#include "server/ingress/request_line.h"
#include "test.h"

static enum wr_first_line of(const char *text)
{
    return wr_first_line(text, strlen(text));
}

TEST(request_lines_are_http)
{
    static const char *const lines[] = {
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /a?b=c HTTP/1.0\n",
        "OPTIONS * HTTP/1.1\r\n",
        "CONNECT example.com:443 HTTP/1.1\r\n",
        "M-SEARCH * HTTP/1.1\r\n",
        "GET http://example.com/ HTTP/1.1\r\n",
        "\r\nGET / HTTP/1.1\r\n",
        "GET / HTTP/1.9\r\n",
        /* Not well-formed, or of another version: HTTP refuses them. */
        "GET / HTTP/2.0\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
        " GET / HTTP/1.1\r\n",
        "GET\t/ HTTP/1.1\r\n",
        "GET / http/1.1\r\n",
        "GET /\r\n",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ / HTTP/1.1\r\n",
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(lines); i++)
        CHECK_INT(of(lines[i]), WR_FIRST_HTTP);
}

TEST(other_protocols_are_not)
{
    static const char *const lines[] = {
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "EHLO example.com\r\n",
        "PING\r\n",
        "SET key value\r\n",
        "*1\r\n$4\r\nPING\r\n",
        "get key\r\n",
        "GET key\r\n",
        "\x16\x03\x01",
        "GOT /\r\nX: HTTP/1.1\r\n",
        " GET",
        "ABCDEFGHIJKLMNOPQ",
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(lines); i++)
        CHECK_INT(of(lines[i]), WR_FIRST_OTHER);
    /* Begins with its length: a start of PostgreSQL. */
    CHECK_INT(wr_first_line("\0\0\0\x08\x04\xd2\x16\x2f", 8), WR_FIRST_OTHER);
}

TEST(a_part_of_a_line_needs_more)
{
    static const char line[] = "\r\nDELETE /some/where HTTP/1.1\r\n";

    for (size_t len = 0; len < sizeof line - 2; len++)
        CHECK_INT(wr_first_line(line, len), WR_FIRST_MORE);
    CHECK_INT(wr_first_line(line, sizeof line - 1), WR_FIRST_HTTP);
}

TEST(a_line_that_is_too_long_is_left_to_http)
{
    static char line[WR_FIRST_MAX];

    memset(line, 'a', sizeof line);
    memcpy(line, "GET /", 5);
    CHECK_INT(wr_first_line(line, sizeof line - 1), WR_FIRST_MORE);
    CHECK_INT(wr_first_line(line, sizeof line), WR_FIRST_HTTP);
}
