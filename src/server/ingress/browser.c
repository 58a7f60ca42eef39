#include "server/ingress/browser.h"

#include <string.h>

#include "base/str.h"

#define QUALITY_MAX 1000 /* "q=1", in thousandths */

static bool contains(const struct wr_h1_header *field, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= field->value_len; i++)
        if (wr_memcaseeq(field->value + i, len, word, len))
            return true;
    return false;
}

static bool is_browser(const struct wr_h1_head *head)
{
    static const char *const words[] = {"mozilla", "chrome", "safari", "firefox",
                                        "edge",    "opera",  "msie"};
    const struct wr_h1_header *agent = wr_h1_find(head, "User-Agent");

    for (size_t i = 0; agent && i < WR_ARRAY_SIZE(words); i++)
        if (contains(agent, words[i]))
            return true;
    return false;
}

/* One element of Accept: the media type without blanks and parameters. */
struct range {
    const char *type;
    size_t type_len;
    unsigned quality;
};

/* "0", "1", "0.5", "0.125", in thousandths; what is malformed counts as 1. */
static unsigned read_quality(const char *text, size_t len)
{
    unsigned value = 0, scale = QUALITY_MAX / 10;

    if (len == 0 || text[0] != '0')
        return QUALITY_MAX;
    for (size_t i = 2; i < len && i < 5; i++, scale /= 10)
        value += text[i] >= '0' && text[i] <= '9' ? (unsigned)(text[i] - '0') * scale : 0;
    return value;
}

static void strip(const char **text, size_t *len)
{
    while (*len > 0 && strchr(" \t", (*text)[0])) {
        ++*text;
        --*len;
    }
    while (*len > 0 && strchr(" \t", (*text)[*len - 1]))
        --*len;
}

static struct range read_range(const char *text, size_t len)
{
    const char *semicolon = memchr(text, ';', len);
    struct range range = {text, semicolon ? (size_t)(semicolon - text) : len, QUALITY_MAX};

    while (semicolon) {
        const char *start = semicolon + 1;
        size_t left = len - (size_t)(start - text);
        semicolon = memchr(start, ';', left);
        size_t part = semicolon ? (size_t)(semicolon - start) : left;
        strip(&start, &part);
        if (part >= 2 && wr_memcaseeq(start, 2, "q=", 2))
            range.quality = read_quality(start + 2, part - 2);
    }
    strip(&range.type, &range.type_len);
    return range;
}

/* Whether JSON is named in Accept with a higher rank than HTML, or as high and before it. */
static bool prefers_json(const struct wr_h1_head *head)
{
    const struct wr_h1_header *accept = wr_h1_find(head, "Accept");
    unsigned json = 0, html = 0;
    bool json_first = false;

    if (!accept)
        return false;
    const char *pos = accept->value, *end = accept->value + accept->value_len;
    while (pos < end) {
        const char *comma = memchr(pos, ',', (size_t)(end - pos));
        const char *stop = comma ? comma : end;
        struct range range = read_range(pos, (size_t)(stop - pos));
        pos = comma ? comma + 1 : end;
        if (wr_memcaseeq(range.type, range.type_len, "application/json", 16)) {
            json_first = html == 0;
            json = WR_MAX(json, range.quality);
        } else if (wr_memcaseeq(range.type, range.type_len, "text/html", 9)) {
            html = WR_MAX(html, range.quality);
        }
    }
    return json > html || (json > 0 && json == html && json_first);
}

static bool is(const struct wr_h1_head *head, const char *name, const char *value)
{
    const struct wr_h1_header *field = wr_h1_find(head, name);

    return field && wr_memcaseeq(field->value, field->value_len, value, strlen(value));
}

/* Browsers tell what a request is for: only a navigation shows its answer to the user. */
static bool is_from_script(const struct wr_h1_head *head)
{
    if (is(head, "X-Requested-With", "XMLHttpRequest"))
        return true;
    if (wr_h1_find(head, "Sec-Fetch-Mode") && !is(head, "Sec-Fetch-Mode", "navigate"))
        return true;
    return is(head, "Sec-Fetch-Dest", "empty");
}

bool wr_wants_page(const struct wr_h1_head *head)
{
    return is_browser(head) && !is_from_script(head) && !prefers_json(head);
}
