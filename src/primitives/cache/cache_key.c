#include "primitives/cache/cache_key.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/sha256.h"
#include "json/value.h"

/* Changes when the same input has to get another key: what the value under it means has changed. */
#define VERSION "warren cache 1"

static void add_text(struct wr_sha256 *hash, const char *text)
{
    /* With its NUL: no two lists of texts have the same bytes. */
    wr_sha256_update(hash, text, strlen(text) + 1);
}

static void begin(struct wr_sha256 *hash, const struct wr_cache_key_base *base, const char *kind)
{
    wr_sha256_init(hash);
    add_text(hash, VERSION);
    add_text(hash, base->inner_scope);
    add_text(hash, base->scope);
    add_text(hash, kind);
}

static void end(struct wr_sha256 *hash, char ret[static WR_CACHE_KEY_SIZE])
{
    unsigned char digest[WR_SHA256_LEN];

    wr_sha256_final(hash, digest);
    wr_hex_encode(digest, sizeof digest, ret);
}

static int feed(const char *text, size_t len, void *data)
{
    wr_sha256_update(data, text, len);
    return 0;
}

/* Members of an execution's input that have two names (warren/executor.h). With both it is refused,
 * and must not find what is kept for one of them. */
static const char *name_of(const char *member, const json_t *input)
{
    static const char *const others[][2] = {{"timeout_seconds", "timeout"}, {"env_vars", "env"}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(others); i++)
        if (strcmp(member, others[i][0]) == 0 && !json_object_get(input, others[i][1]))
            return others[i][1];
    return member;
}

/* 30 and 30.0 are the same time. */
static json_t *normal(const char *name, json_t *value)
{
    if (strcmp(name, "timeout") == 0 && json_is_number(value))
        return json_real(json_number_value(value));
    return json_incref(value);
}

/* The same for inputs that mean the same. NULL without memory. */
static json_t *normal_input(const struct wr_value *input)
{
    json_t *object = json_object(), *value = NULL;
    const char *member = NULL;

    json_object_foreach(wr_value_json(input), member, value) {
        const char *name = name_of(member, wr_value_json(input));
        /* null is as good as nothing. */
        if (!json_is_null(value) && json_object_set_new(object, name, normal(name, value)) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

int wr_cache_key_of_input(const struct wr_cache_key_base *base, const struct wr_value *input,
                          char ret[static WR_CACHE_KEY_SIZE], struct wr_error *err)
{
    bool execution = json_is_string(wr_value_json(wr_value_get(input, "code")));
    struct wr_sha256 hash;

    json_t *what = execution ? normal_input(input) : json_incref(wr_value_json(input));
    begin(&hash, base, execution ? "execution" : "value");
    /* Sorted and compact: equal values have equal texts. */
    int r = what ? json_dump_callback(what, feed, &hash,
                                      JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY)
                 : -1;
    json_decref(what);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "the key of a cache");
    end(&hash, ret);
    return 0;
}

void wr_cache_key_of_text(const struct wr_cache_key_base *base, const char *text,
                          char ret[static WR_CACHE_KEY_SIZE])
{
    struct wr_sha256 hash;

    begin(&hash, base, "text");
    add_text(&hash, text);
    end(&hash, ret);
}
