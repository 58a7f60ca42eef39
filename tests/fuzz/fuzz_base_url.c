/* A base URL: what is understood can stand in a request's head, and written out again it is
 * understood as the same. */
#include "client/retry_after.h"
#include "client/url.h"
#include "fuzz.h"

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text >= 0x7f)
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[2048], again[2048];
    struct wr_url url, same;
    struct wr_error err;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    HOLDS(wr_retry_after_ms(text, text, 0) <= WR_RETRY_AFTER_MAX_MS);
    HOLDS(wr_retry_after_ms(text, NULL, 0) <= WR_RETRY_AFTER_MAX_MS);
    if (wr_url_parse(text, "URL", &url, &err) < 0)
        return 0;
    HOLDS(url.host[0] && url.port != 0 && is_printable(url.authority) && is_printable(url.prefix));
    HOLDS(!strpbrk(url.authority, "/@?#") && !strpbrk(url.prefix, "?#"));
    snprintf(again, sizeof(again), "http%s://%s%s", url.tls ? "s" : "", url.authority, url.prefix);
    HOLDS(wr_url_parse(again, "URL", &same, &err) == 0);
    HOLDS(strcmp(url.host, same.host) == 0 && url.port == same.port && url.tls == same.tls);
    HOLDS(strcmp(url.prefix, same.prefix) == 0);
    return 0;
}
