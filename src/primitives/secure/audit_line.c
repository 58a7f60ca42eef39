#include "primitives/secure/audit_line.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rfc3339.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"

#define TAIL_START ",\"hash\":\""
#define TAIL_END   "\"}"
#define TAIL_LEN   (sizeof TAIL_START - 1 + WR_AUDIT_HASH_LEN + sizeof TAIL_END - 1)

static const char *const reserved[] = {"seq", "time", "prev", "hash"};

void wr_audit_link_init(struct wr_audit_link *link)
{
    *link = (struct wr_audit_link){.hash = WR_AUDIT_NO_HASH};
}

/* The members of an object as JSON text, in `{}`; to free. */
static char *members_of(const struct wr_value *record, struct wr_error *err)
{
    const json_t *json = wr_value_json(record);

    if (!json_is_object(json)) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "an audit record is an object");
        return NULL;
    }
    for (size_t i = 0; i < WR_ARRAY_SIZE(reserved); i++)
        if (json_object_get(json, reserved[i])) {
            (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                          "an audit record has no member \"%s\": the log adds it", reserved[i]);
            return NULL;
        }
    char *text = wr_value_text(record);
    if (!text)
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "audit record");
    return text;
}

int wr_audit_line_write(const struct wr_value *record, uint64_t wall_ms, struct wr_audit_link *link,
                        struct wr_buf *out, struct wr_error *err)
{
    wr_auto_free char *members = members_of(record, err);
    struct wr_audit_link next = {.seq = link->seq + 1};
    wr_auto_buf line = WR_BUF(WR_AUDIT_LINE_MAX);
    char time[25];

    if (!members)
        return -err->code;
    wr_format_rfc3339(wall_ms, time);
    size_t len = strlen(members);
    int r = wr_buf_printf(&line, "{\"seq\":%" PRIu64 ",\"time\":\"%s\",\"prev\":\"%s\"%s", next.seq,
                          time, link->hash, len > 2 ? "," : "");
    if (r == 0) /* without its brackets */
        r = wr_buf_append(&line, members + 1, len - 2);
    if (r == 0) {
        wr_sha256_hex(wr_buf_ptr(&line), line.len, next.hash);
        r = wr_buf_printf(&line, TAIL_START "%s" TAIL_END "\n", next.hash);
    }
    if (r == 0)
        r = wr_buf_append(out, wr_buf_ptr(&line), line.len);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r,
                       "an audit record of %zu bytes; a line has "
                       "at most %zu",
                       len, WR_AUDIT_LINE_MAX);
    *link = next;
    return 0;
}

/* A hash out of the JSON: exactly lower-case hex. */
static bool copy_hash(char out[static WR_AUDIT_HASH_LEN + 1], const char *text)
{
    return wr_str_only(text, "0123456789abcdef", WR_AUDIT_HASH_LEN, WR_AUDIT_HASH_LEN) &&
           wr_strcopy(out, WR_AUDIT_HASH_LEN + 1, text);
}

int wr_audit_line_read(const char *line, size_t len, struct wr_audit_line *ret,
                       struct wr_error *err)
{
    static const struct wr_json_limits limits = {
        .bytes = WR_AUDIT_LINE_MAX, .values = WR_AUDIT_LINE_MAX, .allow_nul = true};
    struct wr_audit_line read = {0};
    const char *prev = NULL, *time = NULL, *hash = NULL;
    char computed[WR_AUDIT_HASH_LEN + 1];
    wr_auto_json *object = NULL;
    struct wr_error why = {0};
    uint64_t ignored_us = 0;
    const struct wr_json_field fields[] = {
        {.name = "seq",
         .kind = WR_JSON_U64,
         .required = true,
         .ret = &read.link.seq,
         .min = 1,
         .max = INT64_MAX},
        {.name = "time", .kind = WR_JSON_STRING, .required = true, .ret = &time},
        {.name = "prev", .kind = WR_JSON_STRING, .required = true, .ret = &prev},
        {.name = "hash", .kind = WR_JSON_STRING, .required = true, .ret = &hash},
    };

    if (len <= TAIL_LEN || memcmp(line + len - TAIL_LEN, TAIL_START, sizeof TAIL_START - 1) != 0)
        return wr_fail(err, WR_E_DATA_LOSS, 0, "does not end with a hash");
    wr_sha256_hex(line, len - TAIL_LEN, computed);
    if (memcmp(line + len - TAIL_LEN + sizeof TAIL_START - 1, computed, WR_AUDIT_HASH_LEN) != 0)
        return wr_fail(err, WR_E_DATA_LOSS, 0, "does not have the content that its hash is of");
    if (wr_json_parse_limited(line, len, &limits, &object, &why) < 0 ||
        wr_json_read(object, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, &why) < 0)
        return wr_fail(err, WR_E_DATA_LOSS, 0, "is no record of an audit log: %.120s", why.msg);
    if (!copy_hash(read.link.hash, hash) || !copy_hash(read.prev, prev) ||
        wr_parse_rfc3339(time, &ignored_us) < 0 || !wr_strcopy(read.time, sizeof read.time, time))
        return wr_fail(err, WR_E_DATA_LOSS, 0, "is no record of an audit log");
    *ret = read;
    return 0;
}
