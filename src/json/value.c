#include "json/value.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

void wr_value_free_ptr(struct wr_value **value)
{
    *value = wr_value_free(*value);
}

int wr_value_parse(const char *json, size_t len, struct wr_value **ret, struct wr_error *err)
{
    json_error_t where = {0};
    json_t *parsed =
        json_loadb(json, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);

    if (!parsed)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "JSON, line %d, column %d: %.160s",
                       where.line, where.column, where.text);
    *ret = wr_value_of_json(parsed);
    return 0;
}

struct wr_value *wr_value_object(void)
{
    return wr_value_of_json(json_object());
}

struct wr_value *wr_value_array(void)
{
    return wr_value_of_json(json_array());
}

struct wr_value *wr_value_of_string(const char *text)
{
    return wr_value_of_json(json_string(text));
}

struct wr_value *wr_value_of_double(double number)
{
    return wr_value_of_json(json_real(number));
}

struct wr_value *wr_value_of_int(int64_t number)
{
    return wr_value_of_json(json_integer(number));
}

struct wr_value *wr_value_of_bool(bool truth)
{
    return wr_value_of_json(json_boolean(truth));
}

/* Bytes at the front of `s` that are whole UTF-8 characters. */
static size_t valid_prefix(const char *s, size_t len)
{
    size_t done = 0;

    while (done < len) {
        size_t step = 1;
        unsigned char c = (unsigned char)s[done];
        if (c >= 0xf0)
            step = 4;
        else if (c >= 0xe0)
            step = 3;
        else if (c >= 0xc0)
            step = 2;
        if (step > len - done || (c >= 0x80 && !wr_utf8_valid(s + done, step)))
            break;
        done += step;
    }
    return done;
}

struct wr_value *wr_value_of_bytes(const void *bytes, size_t len)
{
    const char *s = bytes;
    json_t *string = NULL;

    if (len == 0 || wr_utf8_valid(s, len))
        return wr_value_of_json(json_stringn(s ? s : "", len));
    /* The replacement is three bytes long at most for each byte that there was. */
    wr_auto_buf clean = WR_BUF(len * 3);
    for (size_t at = 0; at < len;) {
        size_t good = valid_prefix(s + at, len - at);
        if (wr_buf_append(&clean, s + at, good) < 0)
            return NULL;
        at += good;
        if (at == len)
            break;
        if (wr_buf_append(&clean, "\xef\xbf\xbd", 3) < 0)
            return NULL;
        at++;
    }
    string = json_stringn(wr_buf_ptr(&clean), clean.len);
    return wr_value_of_json(string);
}

/* true, false and null are not counted. jansson's own functions look at the count with a plain
 * read, and free without having seen what other holders did before they let go: neither is right
 * between threads. */
static bool is_counted(const json_t *json)
{
    return json && __atomic_load_n(&json->refcount, __ATOMIC_RELAXED) != (size_t)-1;
}

struct wr_value *wr_value_ref(struct wr_value *value)
{
    json_t *json = wr_value_json(value);

    if (is_counted(json))
        __atomic_add_fetch(&json->refcount, 1, __ATOMIC_RELAXED);
    return value;
}

struct wr_value *wr_value_free(struct wr_value *value)
{
    json_t *json = wr_value_json(value);

    if (is_counted(json) && __atomic_sub_fetch(&json->refcount, 1, __ATOMIC_ACQ_REL) == 0)
        json_delete(json);
    return NULL;
}

int wr_value_set(struct wr_value *value, const char *key, struct wr_value *member,
                 struct wr_error *err)
{
    json_t *into = wr_value_json(value), *json = wr_value_json(member);

    if (!into || !json) {
        json_decref(json);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "value");
    }
    if (key ? !json_is_object(into) : !json_is_array(into)) {
        json_decref(json);
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.60s: the value is no %s",
                       key ? key : "new element", key ? "object" : "array");
    }
    if (key && !wr_utf8_valid(key, strlen(key))) {
        json_decref(json);
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the name of a member is not UTF-8");
    }
    /* Both take the member over, also when they fail. */
    if (key ? json_object_set_new(into, key, json) < 0 : json_array_append_new(into, json) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "value");
    return 0;
}

const struct wr_value *wr_value_get(const struct wr_value *value, const char *key)
{
    return wr_value_of_json(json_object_get(wr_value_json(value), key));
}

size_t wr_value_count(const struct wr_value *value)
{
    const json_t *json = wr_value_json(value);

    /* Each is 0 for what it does not count. */
    return json_array_size(json) + json_object_size(json);
}

const struct wr_value *wr_value_at(const struct wr_value *value, size_t index)
{
    return wr_value_of_json(json_array_get(wr_value_json(value), index));
}

static const json_t *member_of(const struct wr_value *value, const char *key)
{
    const json_t *json = wr_value_json(value);

    return key ? json_object_get(json, key) : json;
}

const char *wr_value_string(const struct wr_value *value, const char *key)
{
    const char *text = json_string_value(member_of(value, key));

    return text ? text : "";
}

double wr_value_double(const struct wr_value *value, const char *key, double otherwise)
{
    const json_t *json = member_of(value, key);

    return json_is_number(json) ? json_number_value(json) : otherwise;
}

int64_t wr_value_int(const struct wr_value *value, const char *key, int64_t otherwise)
{
    const json_t *json = member_of(value, key);

    return json_is_integer(json) ? json_integer_value(json) : otherwise;
}

bool wr_value_bool(const struct wr_value *value, const char *key, bool otherwise)
{
    const json_t *json = member_of(value, key);

    return json_is_boolean(json) ? json_is_true(json) : otherwise;
}

char *wr_value_text(const struct wr_value *value)
{
    return json_dumps(wr_value_json(value), JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}
