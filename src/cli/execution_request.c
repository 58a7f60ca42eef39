#include "cli/execution_request.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/cell_language.h"
#include "cli/program.h"
#include "cli/text_file.h"
#include "json/jread.h"

#define DEFAULT_LANGUAGE "python"
#define MAX_FILE         ((size_t)64 * WR_MIB) /* as executors take them, all together */

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "input of the code");
}

int wr_execution_language(const char *lang, const char *file, const char **ret,
                          struct wr_error *err)
{
    const struct wr_cell_language *language = wr_cell_language_of_file(file);

    if (lang) {
        int r = wr_cell_language_choose(lang, &language, err);
        if (r < 0)
            return r;
    } else if (wr_streq(file, "-")) {
        *ret = DEFAULT_LANGUAGE;
        return 0;
    }
    if (!language)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "%.80s: the language is not known by its extension; give --lang python, "
                       "javascript, typescript, bash, r or java",
                       file);
    *ret = language->name;
    return 0;
}

int wr_execution_env_read(const struct wr_opt_list *envs, json_t **ret, struct wr_error *err)
{
    wr_auto_json *made = json_object();

    for (size_t i = 0; made && i < envs->count; i++) {
        const char *text = envs->items[i], *equals = strchr(text, '=');
        if (!equals || equals == text)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --env: %.60s is not NAME=VALUE",
                           equals ? text : "what was given");
        wr_auto_free char *name = wr_strndup(text, (size_t)(equals - text));
        if (!wr_utf8_valid(text, strlen(text)))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --env: no UTF-8 text");
        if (!name || json_object_set_new(made, name, json_string(equals + 1)) < 0)
            return no_memory(err);
    }
    if (!made)
        return no_memory(err);
    *ret = json_incref(made);
    return 0;
}

/* Text as it is, everything else as {"base64": text}. */
static json_t *content_of(const struct wr_buf *bytes)
{
    const char *data = bytes->len ? wr_buf_ptr(bytes) : "";

    if (!memchr(data, '\0', bytes->len) && wr_utf8_valid(data, bytes->len))
        return json_stringn(data, bytes->len);
    size_t len = WR_BASE64_LEN(bytes->len);
    wr_auto_free char *text = wr_calloc(len + 1, 1);
    if (!text)
        return NULL;
    (void)wr_base64_encode(data, bytes->len, text);
    return json_pack("{s:s%}", "base64", text, len);
}

static int read_bytes(const char *path, struct wr_buf *out, struct wr_error *err)
{
    wr_auto_close int fd = -1;
    uint64_t size = 0;

    int r = wr_open_regular(path, &fd, &size, err);
    if (r < 0)
        return r;
    if (size > MAX_FILE)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.160s is larger than %zu MiB", path,
                       (size_t)(MAX_FILE / WR_MIB));
    char *into = wr_buf_reserve(out, (size_t)size);
    ssize_t n = into ? wr_read_full(fd, into, (size_t)size) : -ENOMEM;
    if (n < 0)
        return wr_fail(err, wr_code_from_errno((int)-n), (int)-n, "read %.160s", path);
    wr_buf_commit(out, (size_t)n);
    return 0;
}

static int add_file(json_t *files, const char *spec, struct wr_error *err)
{
    const char *colon = strrchr(spec, ':');
    wr_auto_buf bytes = WR_BUF(MAX_FILE);

    if (!colon || colon == spec || !colon[1])
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --file: %.100s is not HOST:PATH",
                       spec);
    wr_auto_free char *host = wr_strndup(spec, (size_t)(colon - spec));
    if (!host)
        return no_memory(err);
    int r = read_bytes(host, &bytes, err);
    if (r < 0)
        return wr_wrap(err, "option --file");
    if (!wr_utf8_valid(colon + 1, strlen(colon + 1)))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --file: the path is no UTF-8 text");
    return json_object_set_new(files, colon + 1, content_of(&bytes)) < 0 ? no_memory(err) : 0;
}

static int read_files(const struct wr_opt_list *specs, json_t **ret, struct wr_error *err)
{
    wr_auto_json *files = json_object();

    if (!files)
        return no_memory(err);
    for (size_t i = 0; i < specs->count; i++) {
        int r = add_file(files, specs->items[i], err);
        if (r < 0)
            return r;
    }
    *ret = json_incref(files);
    return 0;
}

static int read_packages(const struct wr_opt_list *names, json_t **ret, struct wr_error *err)
{
    wr_auto_json *packages = json_array();

    for (size_t i = 0; packages && i < names->count; i++)
        if (json_array_append_new(packages, json_string(names->items[i])) < 0)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --install: no UTF-8 text");
    if (!packages)
        return no_memory(err);
    *ret = json_incref(packages);
    return 0;
}

int wr_execution_parts_read(const struct wr_execution_parts *parts, json_t **ret,
                            struct wr_error *err)
{
    const struct {
        const char *name;
        const struct wr_opt_list *list;
        int (*read)(const struct wr_opt_list *list, json_t **ret, struct wr_error *err);
    } members[] = {{"files", parts->files, read_files},
                   {"install", parts->install, read_packages},
                   {"env", parts->envs, wr_execution_env_read}};
    wr_auto_json *made = json_object();

    if (!made)
        return no_memory(err);
    for (size_t i = 0; i < WR_ARRAY_SIZE(members); i++) {
        json_t *value = NULL;
        if (!members[i].list || members[i].list->count == 0)
            continue;
        int r = members[i].read(members[i].list, &value, err);
        if (r < 0)
            return r;
        if (json_object_set_new(made, members[i].name, value) < 0)
            return no_memory(err);
    }
    if (parts->timeout_ms > 0 &&
        json_object_set_new(made, "timeout", json_real((double)parts->timeout_ms / 1e3)) < 0)
        return no_memory(err);
    *ret = json_incref(made);
    return 0;
}

int wr_execution_request_read(const char *file, const char *lang, const json_t *parts, json_t **ret,
                              struct wr_error *err)
{
    wr_auto_buf code = WR_BUF(WR_CODE_FILE_MAX);
    wr_auto_json *made = json_copy((json_t *)(uintptr_t)parts);
    const char *language = NULL;

    int r = wr_execution_language(lang, file, &language, err);
    if (r == 0)
        r = wr_text_file_read(file, &code, err);
    if (r < 0)
        return r;
    if (!made || json_object_set_new(made, "language", json_string(language)) < 0 ||
        json_object_set_new(made, "code",
                            json_stringn(code.len ? wr_buf_ptr(&code) : "", code.len)) < 0)
        return no_memory(err);
    *ret = json_incref(made);
    return 0;
}
