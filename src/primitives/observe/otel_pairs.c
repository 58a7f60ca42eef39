#include "primitives/observe/otel_pairs.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/str.h"

/* Cuts blanks off both ends, in place. */
static char *trim(char *text)
{
    text += strspn(text, " \t");
    for (size_t len = strlen(text); len > 0 && strchr(" \t", text[len - 1]); len--)
        text[len - 1] = '\0';
    return text;
}

/* In place; false for a bad escape, and for an encoded NUL. */
static bool percent_decode(char *text)
{
    char *out = text;

    for (; *text; text++) {
        int high = 0, low = 0;
        if (*text != '%') {
            *out++ = *text;
            continue;
        }
        high = wr_hex_value(text[1]);
        low = high < 0 ? -1 : wr_hex_value(text[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *out++ = (char)(high << 4 | low);
        text += 2;
    }
    *out = '\0';
    return true;
}

int wr_otel_pairs_read(const char *text,
                       int (*fn)(const struct wr_otel_pair *pair, void *data, struct wr_error *err),
                       void *data, struct wr_error *err)
{
    size_t size = strlen(text) + 1;
    char *copy = NULL, *rest = NULL;
    int r = 0;

    if (size > WR_OTEL_PAIRS_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "longer than %d bytes",
                       WR_OTEL_PAIRS_MAX - 1);
    copy = wr_strdup(text);
    if (!copy)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of names and values");
    rest = copy;
    for (unsigned number = 1; rest && r == 0; number++) {
        char *item = trim(strsep(&rest, ","));
        char *value = strchr(item, '=');
        if (!*item)
            continue; /* an empty list, and a comma at its end */
        if (value) {
            *value = '\0';
            value = trim(value + 1);
        }
        struct wr_otel_pair pair = {trim(item), value};
        if (!value || !*pair.key || !percent_decode(value))
            r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                        "item %u is not name=value with a percent-encoded value", number);
        else
            r = fn(&pair, data, err);
    }
    explicit_bzero(copy, size);
    free(copy);
    return r;
}
