#include "agent/fs/preconditions.h"

#include "agent/fs/http_date.h"
#include "base/parse.h"
#include "base/str.h"

#define UNIT "bytes="

bool wr_request_is_conditional(const struct wr_h1_head *head)
{
    static const char *const names[] = {"Range", "If-Modified-Since", "If-None-Match", "If-Range"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        if (wr_h1_find(head, names[i]))
            return true;
    return false;
}

static bool is_any(const struct wr_h1_header *field)
{
    return field->value_len == 1 && field->value[0] == '*';
}

/* In the order of RFC 9110 13.2.2. */
int wr_preconditions_check(const struct wr_h1_head *head, int64_t modified_s)
{
    const struct wr_h1_header *match = wr_h1_find(head, "If-Match");
    const struct wr_h1_header *unmodified = wr_h1_find(head, "If-Unmodified-Since");
    const struct wr_h1_header *none_match = wr_h1_find(head, "If-None-Match");
    const struct wr_h1_header *modified = wr_h1_find(head, "If-Modified-Since");
    int64_t since = 0;

    if (match) {
        if (!is_any(match))
            return 412;
    } else if (unmodified && wr_http_date_parse(unmodified->value, unmodified->value_len, &since) &&
               modified_s > since) {
        return 412;
    }
    if (none_match)
        return is_any(none_match) ? 304 : 200;
    if (modified && wr_http_date_parse(modified->value, modified->value_len, &since) &&
        modified_s <= since)
        return 304;
    return 200;
}

/* Whether the range is of the version that the client has a part of. */
static bool if_range_holds(const struct wr_h1_head *head, int64_t modified_s)
{
    const struct wr_h1_header *field = wr_h1_find(head, "If-Range");
    int64_t date = 0;

    return !field ||
           (wr_http_date_parse(field->value, field->value_len, &date) && date == modified_s);
}

/* Digits, or nothing. *ret_given tells which; numbers too large to count are the largest. */
static bool read_offset(const char *text, bool *ret_given, uint64_t *ret)
{
    *ret_given = text[0] != '\0';
    if (!*ret_given)
        return true;
    if (!wr_str_only(text, "0123456789", 1, SIZE_MAX))
        return false;
    if (wr_parse_u64(text, 0, UINT64_MAX, ret) < 0)
        *ret = UINT64_MAX;
    return true;
}

enum wr_range_kind wr_range_read(const struct wr_h1_head *head, int64_t modified_s, uint64_t size,
                                 struct wr_range *ret)
{
    char text[128] = "";
    uint64_t first = 0, last = 0;
    bool has_first = false, has_last = false;

    if (!wr_h1_get(head, "Range", text, sizeof(text)) || size == 0 ||
        !wr_memcaseeq(text, WR_MIN(strlen(text), strlen(UNIT)), UNIT, strlen(UNIT)) ||
        strchr(text, ',') || !if_range_holds(head, modified_s))
        return WR_RANGE_WHOLE;
    char *start = text + strlen(UNIT);
    char *dash = strchr(start, '-');
    if (!dash)
        return WR_RANGE_BEYOND;
    *dash = '\0';
    if (!read_offset(start, &has_first, &first) || !read_offset(dash + 1, &has_last, &last) ||
        (!has_first && !has_last) || (has_first && has_last && last < first))
        return WR_RANGE_BEYOND;
    if (!has_first) { /* the last so many bytes */
        first = size - WR_MIN(last, size);
        last = size - 1;
    }
    if (first >= size)
        return WR_RANGE_BEYOND;
    *ret = (struct wr_range){first, (has_last ? WR_MIN(last, size - 1) : size - 1) - first + 1};
    return WR_RANGE_PART;
}
