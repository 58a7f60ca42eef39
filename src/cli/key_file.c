#include "cli/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "json/jread.h"

#define NAME      "key.json"
#define VERSION   1
#define MAX_BYTES ((size_t)1024 * 1024)

static int find_dir(char **ret, struct wr_error *err)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    /* A relative path is to be ignored, says the XDG specification. */
    if (config && config[0] == '/')
        *ret = wr_asprintf("%s/warren", config);
    else if (home && home[0] == '/')
        *ret = wr_asprintf("%s/.config/warren", home);
    else
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "neither XDG_CONFIG_HOME nor HOME says where to keep the key; set one, or "
                       "use `warren key create`");
    return *ret ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "directory of the key");
}

static int parse(struct wr_key_file *file, const struct wr_buf *text, struct wr_error *err)
{
    uint64_t version = 0;
    json_t *keys = NULL;
    const struct wr_json_field fields[] = {
        {.name = "version",
         .kind = WR_JSON_U64,
         .required = true,
         .ret = &version,
         .min = VERSION,
         .max = VERSION},
        {.name = "keys", .kind = WR_JSON_OBJECT, .required = true, .ret = &keys},
    };

    int r = wr_json_parse(wr_buf_ptr(text), text->len, &file->json, err);
    if (r == 0)
        r = wr_json_read(file->json, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (r == 0)
        return 0;
    struct wr_error reason = *err;
    return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                   "%.100s/" NAME ": %.80s; remove it to start anew", file->dir, reason.msg);
}

int wr_key_file_open(struct wr_key_file *ret, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(MAX_BYTES);

    int r = find_dir(&ret->dir, err);
    if (r < 0)
        return r;
    wr_auto_free char *path = wr_asprintf("%s/" NAME, ret->dir);
    r = path ? wr_file_read(AT_FDCWD, path, &text) : -ENOMEM;
    if (r == -ENOENT) {
        ret->json = json_pack("{s:i, s:{}}", "version", VERSION, "keys");
        return ret->json ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "%s", path);
    }
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "read %s/" NAME, ret->dir);
    return parse(ret, &text, err);
}

bool wr_key_file_get(const struct wr_key_file *file, const char *name, const char **ret_id,
                     const char **ret_key)
{
    const json_t *entry = json_object_get(json_object_get(file->json, "keys"), name);
    const char *id = json_string_value(json_object_get(entry, "id"));
    const char *key = json_string_value(json_object_get(entry, "key"));

    if (!id || !key)
        return false;
    *ret_id = id;
    *ret_key = key;
    return true;
}

static int save(const struct wr_key_file *file, struct wr_error *err)
{
    int r = wr_mkdir_parents(AT_FDCWD, file->dir, 0700);

    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "make directory %s", file->dir);
    wr_auto_close int dirfd = open(file->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open %s", file->dir);
    wr_auto_free char *text = json_dumps(file->json, JSON_INDENT(2) | JSON_SORT_KEYS);
    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "%s/" NAME, file->dir);
    r = wr_file_replace(dirfd, NAME, text, strlen(text), 0600, WR_DURABLE);
    explicit_bzero(text, strlen(text));
    return r < 0 ? wr_fail(err, wr_code_from_errno(-r), -r, "write %s/" NAME, file->dir) : 0;
}

int wr_key_file_put(struct wr_key_file *file, const char *name, const char *id, const char *key,
                    struct wr_error *err)
{
    json_t *entry = json_pack("{s:s, s:s}", "id", id, "key", key);

    if (json_object_set_new(json_object_get(file->json, "keys"), name, entry) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the name of the socket is not UTF-8");
    return save(file, err);
}

void wr_key_file_done(struct wr_key_file *file)
{
    json_decref(file->json);
    free(file->dir);
    *file = (struct wr_key_file){0};
}
