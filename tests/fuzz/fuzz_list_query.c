/* Values of query parameters: a text that is accepted as a metadata filter, a cursor, a template
 * reference or a time means the same when it is written anew. */
#include "base/clock.h"
#include "base/rfc3339.h"
#include "fuzz.h"
#include "server/api/list_query.h"
#include "server/api/metadata_filter.h"
#include "server/settings.h"
#include "server/template_ref.h"

static void as_filter(const char *text)
{
    struct wr_error err;
    json_t *filter = NULL;

    if (wr_metadata_filter_parse(text, &filter, &err) < 0)
        return;
    HOLDS(json_object_size(filter) <= WR_METADATA_MAX_PAIRS);
    HOLDS(wr_metadata_filter_match(filter, filter));
    json_decref(filter);
}

static void as_cursor(const char *text, bool ascending)
{
    struct wr_list_query query = {.ascending = ascending}, again = {.ascending = ascending};
    struct wr_sandbox last = {0};
    struct wr_error err;
    char written[WR_LIST_CURSOR_MAX];

    if (wr_list_cursor_read(text, &query, &err) < 0)
        return;
    last.created_ms = query.cursor_ms;
    memcpy(last.id, query.cursor_id, sizeof last.id);
    HOLDS(!wr_list_query_behind(&query, &last));
    wr_list_query_cursor(&query, &last, written);
    HOLDS(wr_list_cursor_read(written, &again, &err) == 0);
    HOLDS(again.cursor_ms == query.cursor_ms && strcmp(again.cursor_id, query.cursor_id) == 0);
}

static void as_template(const char *text)
{
    struct wr_template_ref ref = {0}, again = {0};
    struct wr_error err;
    char written[512];

    if (wr_template_ref_parse(text, &ref, &err) < 0)
        return;
    HOLDS(wr_template_name_valid(ref.name));
    HOLDS(wr_strformat(written, sizeof written, "%s%s%s%s%s", ref.team, ref.team[0] ? "/" : "",
                       ref.name, ref.tag[0] ? ":" : "", ref.tag));
    HOLDS(wr_template_ref_parse(written, &again, &err) == 0);
    HOLDS(strcmp(ref.team, again.team) == 0 && strcmp(ref.name, again.name) == 0 &&
          strcmp(ref.tag, again.tag) == 0);
}

static void as_time(const char *text)
{
    uint64_t us = 0, again = 0;
    char written[25];

    if (wr_parse_rfc3339(text, &us) < 0 || us / 1000 > 253402300799999)
        return;
    wr_format_rfc3339(us / 1000, written);
    HOLDS(wr_parse_rfc3339(written, &again) == 0 && again == us / 1000 * 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[4096];

    if (size == 0 || size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    as_filter(text);
    as_cursor(text, false);
    as_cursor(text, true);
    as_template(text);
    as_time(text);
    return 0;
}
