#include "primitives/cache/cached_value.h"

#include <stdlib.h>

#include "base/error.h"
#include "json/jread.h"
#include "json/value.h"

#define VERSION    1
#define VALUES_MAX ((size_t)1 << 21) /* in one text: others may write into the store */

bool wr_cached_value_write(const struct wr_value *value, struct wr_cache_text *ret)
{
    wr_auto_json *whole = json_pack("{s:i, s:O}", "v", VERSION, "value", wr_value_json(value));
    const size_t flags = JSON_COMPACT;
    size_t len = whole ? json_dumpb(whole, NULL, 0, flags) : 0;

    if (len == 0 || len > WR_CACHE_VALUE_MAX)
        return false;
    char *text = malloc(len + 1);
    if (!text)
        return false;
    (void)json_dumpb(whole, text, len, flags);
    text[len] = '\0';
    *ret = (struct wr_cache_text){.text = text, .len = len};
    return true;
}

int wr_cached_value_read(const struct wr_cache_text *text, struct wr_value **ret,
                         struct wr_error *err)
{
    const struct wr_json_limits limits = {
        .bytes = WR_CACHE_VALUE_MAX, .values = VALUES_MAX, .allow_nul = true};
    wr_auto_json *whole = NULL;

    int r = wr_json_parse_limited(text->text, text->len, &limits, &whole, err);
    if (r < 0)
        return wr_wrap(err, "a cached value");
    json_t *value = json_object_get(whole, "value");
    if (!value || json_integer_value(json_object_get(whole, "v")) != VERSION)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a cached value is not of version %d",
                       VERSION);
    /* Nobody else has it yet. */
    if (json_is_object(value) && json_object_set_new(value, "cached", json_true()) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "a cached value");
    *ret = wr_value_of_json(json_incref(value));
    return 0;
}
