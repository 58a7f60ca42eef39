#include "primitives/testing/junit_xml.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"

#define REPLACEMENT "\xef\xbf\xbd"

static const char *entity_of(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    case '\t': /* parsers make blanks of these in attributes, and drop a carriage return */
        return "&#9;";
    case '\n':
        return "&#10;";
    case '\r':
        return "&#13;";
    default:
        return c < 0x20 ? REPLACEMENT : NULL;
    }
}

/* U+FFFE and U+FFFF are no characters of XML. */
static bool is_no_character(const char *at, size_t left)
{
    return left >= 3 && memcmp(at, "\xef\xbf", 2) == 0 && (unsigned char)at[2] >= 0xbe;
}

int wr_junit_escape(struct wr_buf *out, const char *text, size_t len)
{
    size_t from = 0;
    int r = 0;

    if (!wr_utf8_valid(text, len))
        return wr_buf_append_str(out, REPLACEMENT);
    for (size_t i = 0; r == 0 && i < len;) {
        bool none = is_no_character(text + i, len - i);
        const char *entity = none ? REPLACEMENT : entity_of((unsigned char)text[i]);
        size_t width = none ? 3 : 1;
        if (entity) {
            r = from < i ? wr_buf_append(out, text + from, i - from) : 0;
            if (r == 0)
                r = wr_buf_append_str(out, entity);
            from = i + width;
        }
        i += width;
    }
    return r == 0 && from < len ? wr_buf_append(out, text + from, len - from) : r;
}

static int write_escaped(struct wr_buf *out, const char *before, const json_t *text,
                         const char *after)
{
    int r = wr_buf_append_str(out, before);

    if (r == 0 && json_is_string(text))
        r = wr_junit_escape(out, json_string_value(text), json_string_length(text));
    return r == 0 ? wr_buf_append_str(out, after) : r;
}

/* The element inside a case that says what it was; NULL for one that passed. */
static const char *element_of(const char *outcome)
{
    static const char *const elements[][2] = {
        {"failed", "failure"}, {"timeout", "failure"}, {"infrastructure_error", "error"},
        {"error", "error"},    {"skipped", "skipped"},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(elements); i++)
        if (wr_streq(elements[i][0], outcome))
            return elements[i][1];
    return NULL;
}

/* Without printf's floating point: the program's locale may have a comma. */
static int write_time(struct wr_buf *out, double ms)
{
    uint64_t whole = ms > 0 && ms < 1e15 ? (uint64_t)(ms + 0.5) : 0;

    return wr_buf_printf(out, " time=\"%" PRIu64 ".%03" PRIu64 "\">", whole / 1000, whole % 1000);
}

static int write_case(struct wr_buf *out, const char *suite, const json_t *result)
{
    const json_t *outcome = json_object_get(result, "outcome");
    const char *element = json_is_string(outcome) ? element_of(json_string_value(outcome)) : NULL;
    double ms = json_number_value(json_object_get(result, "duration_ms"));

    int r = write_escaped(out, "  <testcase name=\"", json_object_get(result, "test"), "\"");
    if (r == 0)
        r = wr_buf_printf(out, " classname=\"%s\"", suite);
    if (r == 0)
        r = write_time(out, ms);
    if (r == 0 && element) {
        r = wr_buf_printf(out, "\n    <%s", element);
        if (r == 0)
            r = write_escaped(out, " type=\"", outcome, "\"");
        if (r == 0)
            r = write_escaped(out, " message=\"", json_object_get(result, "error"), "\"/>");
    }
    if (r == 0 && json_string_length(json_object_get(result, "output")) > 0)
        r = write_escaped(out, "\n    <system-out>", json_object_get(result, "output"),
                          "</system-out>");
    return r == 0 ? wr_buf_append_str(out, "\n  </testcase>\n") : r;
}

int wr_junit_write(struct wr_buf *out, const char *suite, const struct wr_junit_counts *counts,
                   const json_t *results)
{
    const json_t *result;
    size_t i;

    int r =
        wr_buf_printf(out,
                      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
                      "<testsuite name=\"%s\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" "
                      "skipped=\"%zu\"",
                      suite, counts->passed + counts->failed + counts->errored + counts->skipped,
                      counts->failed, counts->errored, counts->skipped);
    if (r == 0)
        r = write_time(out, counts->duration_ms);
    if (r == 0)
        r = wr_buf_append_str(out, "\n");
    json_array_foreach(results, i, result) {
        if (r == 0)
            r = write_case(out, suite, result);
    }
    return r == 0 ? wr_buf_append_str(out, "</testsuite>\n</testsuites>\n") : r;
}
