#include "primitives/execute/execution_input.h"

#include <errno.h>
#include <math.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/str.h"
#include "primitives/execute/install.h"

#define MAX_TIMEOUT_S 86400
#define MAX_LANGUAGE  32
#define MAX_PATH_LEN  4096
#define MAX_ENV_BYTES ((size_t)WR_MIB) /* of one value */

static int wrong(struct wr_error *err, const char *name, const char *why)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.80s: %s", name, why);
}

/* jansson's strings are UTF-8; they may hold NUL, which code and names may not. */
static bool has_nul(const json_t *text)
{
    return strlen(json_string_value(text)) != json_string_length(text);
}

int wr_execution_check_code(const json_t *code, const char *name, struct wr_error *err)
{
    if (!json_is_string(code))
        return wrong(err, name, "missing, or no text");
    if (json_string_length(code) == 0)
        return wrong(err, name, "empty");
    if (has_nul(code))
        return wrong(err, name, "has a NUL character");
    if (json_string_length(code) > WR_EXECUTION_MAX_CODE)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "%.80s: longer than %zu MiB; large data goes into `files`", name,
                       (size_t)(WR_EXECUTION_MAX_CODE / WR_MIB));
    return 0;
}

int wr_execution_check_language(const json_t *language, const char *name, struct wr_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "+-_.";

    if (!json_is_string(language) || has_nul(language) ||
        !wr_str_only(json_string_value(language), letters, 1, MAX_LANGUAGE))
        return wrong(err, name, "not the name of a language");
    return 0;
}

int wr_execution_check_env(const json_t *env, const char *name, struct wr_error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(env))
        return wrong(err, name, "no object of names and texts");
    if (json_object_size(env) > WR_EXECUTION_MAX_ENV)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.80s: more than %d variables", name,
                       WR_EXECUTION_MAX_ENV);
    json_object_foreach((json_t *)(uintptr_t)env, key, value) {
        if (!*key || strchr(key, '='))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "%.80s: \"%.60s\" is not the name of a variable", name, key);
        if (!json_is_string(value) || has_nul(value) || json_string_length(value) > MAX_ENV_BYTES)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "%.80s: %.60s is no text, has a NUL character, or is longer than 1 MiB",
                           name, key);
    }
    return 0;
}

int wr_execution_read_timeout(const json_t *timeout, const char *name, uint64_t *ret_ms,
                              struct wr_error *err)
{
    double seconds = json_is_number(timeout) ? json_number_value(timeout) : 0;

    if (!(seconds > 0 && seconds <= MAX_TIMEOUT_S))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "%.80s: not a number of seconds above 0 and up to %d", name, MAX_TIMEOUT_S);
    *ret_ms = (uint64_t)ceil(seconds * 1e3);
    return 0;
}

int wr_execution_read_packages(const json_t *packages, const char *name, const char ***ret,
                               size_t *ret_count, struct wr_error *err)
{
    size_t count = json_array_size(packages), i;
    wr_auto_free const char **made = NULL;
    const json_t *package;

    if (!json_is_array(packages))
        return wrong(err, name, "no array of packages");
    if (count > WR_EXECUTION_MAX_PACKAGES)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.80s: more than %d packages", name,
                       WR_EXECUTION_MAX_PACKAGES);
    made = wr_calloc(count + 1, sizeof *made);
    if (!made)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "%.80s", name);
    json_array_foreach(packages, i, package) {
        const char *text = json_string_value(package);
        if (!text || has_nul(package) || !wr_install_requirement_valid(text))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "%.80s[%zu]: not a requirement as pip knows them (\"requests>=2\")",
                           name, i);
        made[i] = text;
    }
    *ret = wr_steal_ptr(&made);
    *ret_count = count;
    return 0;
}

/* ---- files ---- */

/* Text as it is, or {"base64": text}: which, and the text. */
static const json_t *content_of(const json_t *file, bool *ret_base64)
{
    const json_t *encoded = json_object_get(file, "base64");

    *ret_base64 = encoded;
    if (json_is_string(file))
        return file;
    return json_object_size(file) == 1 && json_is_string(encoded) ? encoded : NULL;
}

static int check_files(const json_t *files, const char *name, size_t *ret_encoded,
                       struct wr_error *err)
{
    size_t total = 0;
    const char *path;
    json_t *file;
    bool base64 = false;

    if (!json_is_object(files))
        return wrong(err, name, "no object of paths and contents");
    if (json_object_size(files) > WR_EXECUTION_MAX_FILES)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.80s: more than %d files", name,
                       WR_EXECUTION_MAX_FILES);
    json_object_foreach((json_t *)(uintptr_t)files, path, file) {
        const json_t *content = content_of(file, &base64);
        if (!*path || strlen(path) > MAX_PATH_LEN || wr_ends_with(path, "/"))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.80s: \"%.80s\" is no path of a file",
                           name, path);
        if (!content)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "%.80s: %.80s is neither text nor {\"base64\": text}", name, path);
        total += json_string_length(content);
        if (base64)
            *ret_encoded += json_string_length(content) / 4 * 3 + 3;
        if (total > WR_EXECUTION_MAX_FILE_SIZE)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.80s: more than %zu MiB together", name,
                           (size_t)(WR_EXECUTION_MAX_FILE_SIZE / WR_MIB));
    }
    return 0;
}

static int read_files(const json_t *files, const char *name, struct wr_execution_input *ret,
                      struct wr_error *err)
{
    size_t encoded = 0;
    const char *path;
    json_t *file;
    bool base64 = false;

    int r = check_files(files, name, &encoded, err);
    if (r < 0)
        return r;
    ret->files = wr_calloc(json_object_size(files) + 1, sizeof *ret->files);
    ret->contents = wr_calloc(encoded + 1, 1);
    if (!ret->files || !ret->contents)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "%.80s", name);
    char *at = ret->contents;
    json_object_foreach((json_t *)(uintptr_t)files, path, file) {
        const json_t *content = content_of(file, &base64);
        struct wr_file *made = &ret->files[ret->file_count++];
        *made = (struct wr_file){path, json_string_value(content), json_string_length(content)};
        if (!base64)
            continue;
        ssize_t n = wr_base64_decode(made->bytes, made->len, at);
        if (n < 0)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.80s: %.80s is not base64", name, path);
        made->bytes = at;
        made->len = (size_t)n;
        at += n;
    }
    return 0;
}

/* ---- the whole ---- */

static int read_code(const json_t *value, const char *name, struct wr_execution_input *ret,
                     struct wr_error *err)
{
    int r = wr_execution_check_code(value, name, err);

    if (r == 0) {
        ret->code = json_string_value(value);
        ret->code_length = wr_execution_characters(ret->code, json_string_length(value));
    }
    return r;
}

static int read_language(const json_t *value, const char *name, struct wr_execution_input *ret,
                         struct wr_error *err)
{
    int r = wr_execution_check_language(value, name, err);

    if (r == 0)
        ret->language = json_string_value(value);
    return r;
}

static int read_timeout(const json_t *value, const char *name, struct wr_execution_input *ret,
                        struct wr_error *err)
{
    if (ret->timeout_ms)
        return wrong(err, name, "said twice");
    return wr_execution_read_timeout(value, name, &ret->timeout_ms, err);
}

static int read_install(const json_t *value, const char *name, struct wr_execution_input *ret,
                        struct wr_error *err)
{
    return wr_execution_read_packages(value, name, &ret->packages, &ret->package_count, err);
}

static int read_env(const json_t *value, const char *name, struct wr_execution_input *ret,
                    struct wr_error *err)
{
    if (ret->env)
        return wrong(err, name, "said twice");
    int r = wr_execution_check_env(value, name, err);
    if (r == 0)
        ret->env = (json_t *)(uintptr_t)value;
    return r;
}

static const struct member {
    const char *name;
    int (*read)(const json_t *value, const char *name, struct wr_execution_input *ret,
                struct wr_error *err);
} members[] = {
    {"code", read_code},       {"language", read_language},
    {"timeout", read_timeout}, {"timeout_seconds", read_timeout},
    {"files", read_files},     {"install", read_install},
    {"env", read_env},         {"env_vars", read_env},
};

static const struct member *member_named(const char *name)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(members); i++)
        if (wr_streq(members[i].name, name))
            return &members[i];
    return NULL;
}

int wr_execution_input_read(const json_t *input, struct wr_execution_input *ret,
                            struct wr_error *err)
{
    wr_auto_execution_input made = {0};
    const char *name;
    json_t *value;

    if (!json_is_object(input))
        return wrong(err, "the input", "no object");
    json_object_foreach((json_t *)(uintptr_t)input, name, value) {
        const struct member *member = member_named(name);
        if (!member)
            return wrong(err, name, "the input of an execution has no such member");
        if (json_is_null(value))
            continue;
        int r = member->read(value, name, &made, err);
        if (r < 0)
            return r;
    }
    if (!made.code)
        return wrong(err, "code", "missing");
    *ret = made;
    made = (struct wr_execution_input){0};
    return 0;
}

void wr_execution_input_done(struct wr_execution_input *input)
{
    free(input->files);
    free(input->contents);
    free(input->packages);
    *input = (struct wr_execution_input){0};
}

size_t wr_execution_characters(const char *text, size_t len)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}
