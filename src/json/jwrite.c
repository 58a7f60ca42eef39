#include "json/jwrite.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/number.h"

void wr_jw_init(struct wr_jw *w, struct wr_buf *out)
{
    *w = (struct wr_jw){.out = out};
}

static void put(struct wr_jw *w, const char *data, size_t len)
{
    if (w->error == 0 && len > 0)
        w->error = wr_buf_append(w->out, data, len);
}

/* What comes before a value: a comma in arrays; in objects the key has already written it. */
static void before_value(struct wr_jw *w)
{
    if (w->depth > 0 && w->stack[w->depth - 1] == '{') {
        assert(w->key);
    } else {
        assert(w->depth > 0 || !w->comma); /* one value at the top */
        if (w->comma)
            put(w, ",", 1);
    }
    w->key = false;
    w->comma = true;
}

static void open_level(struct wr_jw *w, char bracket)
{
    before_value(w);
    assert(w->depth < sizeof(w->stack));
    put(w, &bracket, 1);
    w->stack[w->depth++] = bracket;
    w->comma = false;
}

void wr_jw_object(struct wr_jw *w)
{
    open_level(w, '{');
}

void wr_jw_array(struct wr_jw *w)
{
    open_level(w, '[');
}

void wr_jw_end(struct wr_jw *w)
{
    assert(w->depth > 0 && !w->key);
    put(w, w->stack[--w->depth] == '{' ? "}" : "]", 1);
    w->comma = true;
}

/* Length of the valid UTF-8 sequence at the front (RFC 3629), 0 when there is none; *ret_point is
 * its code point. */
static size_t utf8_sequence(const unsigned char *s, size_t len, uint32_t *ret_point)
{
    size_t need = 0;
    uint32_t point = 0, least = 0;

    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        need = 2, point = s[0] & 0x1fu, least = 0x80;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        need = 3, point = s[0] & 0x0fu, least = 0x800;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        need = 4, point = s[0] & 0x07u, least = 0x10000;
    }
    if (need == 0 || len < need)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (s[i] & 0x3fu);
    }
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    *ret_point = point;
    return need;
}

static void put_escape(struct wr_jw *w, uint32_t unit)
{
    char text[7];
    (void)snprintf(text, sizeof(text), "\\u%04x", unit & 0xffffu);
    put(w, text, 6);
}

static void put_point(struct wr_jw *w, uint32_t point)
{
    if (point >= 0x10000) {
        put_escape(w, 0xd800 + ((point - 0x10000) >> 10));
        put_escape(w, 0xdc00 + ((point - 0x10000) & 0x3ff));
    } else {
        put_escape(w, point);
    }
}

static void put_ascii_escape(struct wr_jw *w, unsigned char c)
{
    switch (c) {
    case '"':
        put(w, "\\\"", 2);
        break;
    case '\\':
        put(w, "\\\\", 2);
        break;
    case '\n':
        put(w, "\\n", 2);
        break;
    case '\r':
        put(w, "\\r", 2);
        break;
    case '\t':
        put(w, "\\t", 2);
        break;
    default:
        put_escape(w, c);
        break;
    }
}

static void put_string(struct wr_jw *w, const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t plain = 0; /* start of the run that needs no change */

    put(w, "\"", 1);
    for (size_t i = 0; i < len;) {
        size_t step = 1;
        if (p[i] < 0x80) {
            bool escape = p[i] < 0x20 || p[i] == '"' || p[i] == '\\' || (w->ascii && p[i] == 0x7f);
            if (!escape) {
                i++;
                continue;
            }
            put(w, s + plain, i - plain);
            put_ascii_escape(w, p[i]);
        } else {
            uint32_t point = 0xfffd;
            size_t n = utf8_sequence(p + i, len - i, &point);
            if (n > 0 && !w->ascii) {
                i += n;
                continue;
            }
            put(w, s + plain, i - plain);
            if (w->ascii)
                put_point(w, point);
            else
                put(w, "\xef\xbf\xbd", 3);
            step = n > 0 ? n : 1;
        }
        i += step;
        plain = i;
    }
    put(w, s + plain, len - plain);
    put(w, "\"", 1);
}

void wr_jw_keyn(struct wr_jw *w, const char *key, size_t len)
{
    assert(w->depth > 0 && w->stack[w->depth - 1] == '{' && !w->key);
    if (w->comma)
        put(w, ",", 1);
    put_string(w, key, len);
    put(w, ":", 1);
    w->key = true;
}

void wr_jw_key(struct wr_jw *w, const char *key)
{
    wr_jw_keyn(w, key, strlen(key));
}

void wr_jw_strn(struct wr_jw *w, const char *s, size_t len)
{
    before_value(w);
    put_string(w, len ? s : "", len);
}

void wr_jw_str(struct wr_jw *w, const char *s)
{
    wr_jw_strn(w, s, strlen(s));
}

void wr_jw_raw(struct wr_jw *w, const char *json, size_t len)
{
    before_value(w);
    put(w, json, len);
}

void wr_jw_base64(struct wr_jw *w, const void *data, size_t len)
{
    before_value(w);
    put(w, "\"", 1);
    if (w->error == 0 && len > 0) {
        char *out = wr_buf_reserve(w->out, WR_BASE64_LEN(len));
        if (out)
            wr_buf_commit(w->out, wr_base64_encode(data, len, out));
        else
            w->error = wr_buf_room(w->out) < WR_BASE64_LEN(len) ? -ENOBUFS : -ENOMEM;
    }
    put(w, "\"", 1);
}

static void put_formatted(struct wr_jw *w, const char *fmt, ...) WR_PRINTF(2, 3);
static void put_formatted(struct wr_jw *w, const char *fmt, ...)
{
    va_list ap;

    before_value(w);
    va_start(ap, fmt);
    if (w->error == 0)
        w->error = wr_buf_vprintf(w->out, fmt, ap);
    va_end(ap);
}

void wr_jw_u64(struct wr_jw *w, uint64_t v)
{
    put_formatted(w, "%llu", (unsigned long long)v);
}

void wr_jw_i64(struct wr_jw *w, int64_t v)
{
    put_formatted(w, "%lld", (long long)v);
}

void wr_jw_bool(struct wr_jw *w, bool v)
{
    before_value(w);
    put(w, v ? "true" : "false", v ? 4 : 5);
}

void wr_jw_double(struct wr_jw *w, double v, int decimals)
{
    /* JSON has no NaN and no infinity. */
    if (isfinite(v))
        put_formatted(w, "%.*f", decimals, v);
    else
        wr_jw_null(w);
}

void wr_jw_number(struct wr_jw *w, double v)
{
    char text[WR_DOUBLE_TEXT];

    wr_format_double(v, text);
    if (isfinite(v))
        put_formatted(w, "%s", text);
    else
        wr_jw_null(w);
}

void wr_jw_null(struct wr_jw *w)
{
    before_value(w);
    put(w, "null", 4);
}

void wr_jw_kstr(struct wr_jw *w, const char *key, const char *s)
{
    if (!s)
        return;
    wr_jw_key(w, key);
    wr_jw_str(w, s);
}

void wr_jw_ku64(struct wr_jw *w, const char *key, uint64_t v)
{
    wr_jw_key(w, key);
    wr_jw_u64(w, v);
}

void wr_jw_ki64(struct wr_jw *w, const char *key, int64_t v)
{
    wr_jw_key(w, key);
    wr_jw_i64(w, v);
}

void wr_jw_kbool(struct wr_jw *w, const char *key, bool v)
{
    wr_jw_key(w, key);
    wr_jw_bool(w, v);
}

int wr_jw_finish(struct wr_jw *w)
{
    assert(w->error != 0 || (w->depth == 0 && w->comma));
    return w->error;
}
