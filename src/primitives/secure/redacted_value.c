#include "primitives/secure/redacted_value.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"

#define MAX_DEPTH 64
#define BASE64    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

static const char *const binary_formats[] = {"png", "jpeg", "pdf"};

int wr_redacted_text(const struct wr_redactor *redactor, const char *text, size_t len, json_t **ret,
                     struct wr_redacted_sum *sum, struct wr_error *err)
{
    wr_auto_redaction *redaction = wr_redaction_new(redactor, err);
    wr_auto_free char *safe = NULL;
    size_t safe_len = 0;

    if (!redaction)
        return -err->code;
    int r = wr_redaction_feed(redaction, text, len, true, &safe, &safe_len, err);
    if (r < 0)
        return r;
    /* A pattern may cut a character in two. */
    json_t *string = wr_value_json(wr_value_of_bytes(safe, safe_len));
    if (!string)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redacted text");
    sum->places += wr_redaction_count(redaction);
    sum->limited += wr_redaction_limited(redaction);
    sum->bytes += wr_redaction_covered(redaction);
    *ret = string;
    return 0;
}

/* One of the formats, and really base64: code can call a text "png". */
static bool is_binary(const char *name, const json_t *member)
{
    const char *text = json_string_value(member);

    for (size_t i = 0; text && i < WR_ARRAY_SIZE(binary_formats); i++)
        if (wr_streq(name, binary_formats[i]))
            return strspn(text, BASE64 "\r\n") == json_string_length(member);
    return false;
}

/* Names are the code's too, in a dictionary that it shows. Those that become the same get a number;
 * what is not replaced keeps its name. */
static int redact_name(const struct wr_redactor *redactor, const char *name, const json_t *into,
                       struct wr_redacted_sum *sum, json_t **ret, struct wr_error *err)
{
    size_t places = sum->places;
    wr_auto_json *safe = NULL;

    int r = wr_redacted_text(redactor, name, strlen(name), &safe, sum, err);
    if (r < 0)
        return r;
    if (sum->places == places || !json_object_get(into, json_string_value(safe))) {
        *ret = wr_steal_ptr(&safe);
        return 0;
    }
    *ret = json_sprintf("%s %zu", json_string_value(safe), json_object_size(into) + 1);
    return *ret ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redacted value");
}

static int redact(const struct wr_redactor *redactor, const json_t *value, unsigned depth,
                  json_t **ret, struct wr_redacted_sum *sum, struct wr_error *err);

static int redact_members(const struct wr_redactor *redactor, const json_t *value, unsigned depth,
                          json_t *into, struct wr_redacted_sum *sum, struct wr_error *err)
{
    const char *name = NULL;
    json_t *member = NULL;

    json_object_foreach((json_t *)(uintptr_t)value, name, member) {
        wr_auto_json *safe_name = NULL;
        json_t *safe = NULL;
        int r = redact_name(redactor, name, into, sum, &safe_name, err);
        if (r < 0)
            return r;
        if (is_binary(name, member))
            safe = json_incref(member);
        else
            r = redact(redactor, member, depth + 1, &safe, sum, err);
        if (r < 0)
            return r;
        if (json_object_set_new(into, json_string_value(safe_name), safe) < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redacted value");
    }
    return 0;
}

static int redact_elements(const struct wr_redactor *redactor, const json_t *value, unsigned depth,
                           json_t *into, struct wr_redacted_sum *sum, struct wr_error *err)
{
    size_t i;
    json_t *element = NULL;

    json_array_foreach((json_t *)(uintptr_t)value, i, element) {
        json_t *safe = NULL;
        int r = redact(redactor, element, depth + 1, &safe, sum, err);
        if (r < 0)
            return r;
        if (json_array_append_new(into, safe) < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redacted value");
    }
    return 0;
}

static int redact(const struct wr_redactor *redactor, const json_t *value, unsigned depth,
                  json_t **ret, struct wr_redacted_sum *sum, struct wr_error *err)
{
    bool is_object = json_is_object(value);

    if (json_is_string(value))
        return wr_redacted_text(redactor, json_string_value(value), json_string_length(value), ret,
                                sum, err);
    if (!is_object && !json_is_array(value)) {
        *ret = json_incref((json_t *)(uintptr_t)value);
        return 0;
    }
    if (depth > MAX_DEPTH)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "the output is nested deeper than %d levels, so it is not redacted and not "
                       "handed out",
                       MAX_DEPTH);
    wr_auto_json *into = is_object ? json_object() : json_array();
    if (!into)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redacted value");
    int r = is_object ? redact_members(redactor, value, depth, into, sum, err)
                      : redact_elements(redactor, value, depth, into, sum, err);
    if (r == 0)
        *ret = wr_steal_ptr(&into);
    return r;
}

int wr_redacted_value(const struct wr_redactor *redactor, const json_t *value, json_t **ret,
                      struct wr_redacted_sum *sum, struct wr_error *err)
{
    return redact(redactor, value, 0, ret, sum, err);
}
