#include "server/api/metadata_filter.h"

#include <string.h>

#include "json/jread.h"
#include "server/settings.h"

/* Longest encoded key or value: each byte of it takes at most nine characters ("%25XX" and less).
 */
#define MAX_ENCODED ((WR_METADATA_MAX_VALUE)*9)

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; `form`: '+' is a blank. False for a broken escape or %00. */
static bool decode(char *text, bool form)
{
    char *out = text;

    for (const char *in = text; *in; in++) {
        if (*in == '+' && form) {
            *out++ = ' ';
        } else if (*in == '%') {
            int high = hex_value(in[1]), low = high < 0 ? -1 : hex_value(in[2]);
            if (low < 0 || high * 16 + low == 0)
                return false;
            *out++ = (char)(high * 16 + low);
            in += 2;
        } else {
            *out++ = *in;
        }
    }
    *out = '\0';
    return true;
}

static bool take(const char *from, size_t len, char *out, size_t cap)
{
    if (len >= cap)
        return false;
    memcpy(out, from, len);
    out[len] = '\0';
    return decode(out, true) && decode(out, false);
}

int wr_metadata_filter_parse(const char *text, json_t **ret, struct wr_error *err)
{
    wr_auto_json *filter = json_object();
    char key[WR_METADATA_MAX_KEY * 9], value[MAX_ENCODED];

    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "&"), key_len = strcspn(p, "=&");

        if (key_len == 0 || key_len >= len || !take(p, key_len, key, sizeof key) ||
            !take(p + key_len + 1, len - key_len - 1, value, sizeof value) ||
            json_object_size(filter) >= WR_METADATA_MAX_PAIRS ||
            json_object_set_new(filter, key, json_string(value)) < 0)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "error parsing metadata: not key=value pairs joined by '&'");
        p += len;
        p += *p == '&';
    }
    *ret = json_incref(filter);
    return 0;
}

bool wr_metadata_filter_match(const json_t *filter, const json_t *metadata)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)filter, key, value) {
        if (!json_equal(value, json_object_get(metadata, key)))
            return false;
    }
    return true;
}
