#include "engine/spec_shares.h"

#include "base/str.h"
#include "engine/storage/share.h"
#include "json/jread.h"
#include "json/jwrite.h"

/* What the sandbox's own mounts need (nest/mount_table.c). Links that lead there are found by the
 * nest. */
static const char *const reserved[] = {"/proc", "/sys", "/dev", "/run", "/.warren"};

/* Whether `path` is `top` or lies below it. */
static bool lies_in(const char *path, const char *top)
{
    const size_t len = strlen(top);

    return strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* Absolute, without ".", "..", empty components and a slash at the end. */
static bool is_clean(const char *path)
{
    if (path[0] != '/')
        return false;
    for (const char *at = path; *at == '/';) {
        const size_t len = strcspn(++at, "/");
        if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
            return false;
        at += len;
    }
    return true;
}

static bool has_control(const char *path)
{
    for (; *path; path++)
        if ((unsigned char)*path < 0x20 || *path == 0x7f)
            return true;
    return false;
}

static int check_path(const struct wr_spec *spec, const char *path, size_t index,
                      struct wr_error *err)
{
    if (!is_clean(path) || has_control(path))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "volumes[%zu].path \"%.80s\": an absolute path without \".\", \"..\", empty "
                       "parts, control characters and a slash at its end is needed",
                       index, path);
    for (size_t i = 0; i < WR_ARRAY_SIZE(reserved); i++)
        if (lies_in(path, reserved[i]))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "volumes[%zu].path \"%.80s\": nothing can be mounted in %s", index, path,
                           reserved[i]);
    for (size_t i = 0; i < spec->share_count; i++)
        if (lies_in(path, spec->shares[i].path) || lies_in(spec->shares[i].path, path))
            return wr_fail(
                err, WR_E_INVALID_ARGUMENT, 0,
                "volumes[%zu].path \"%.60s\" and volumes[%zu].path \"%.60s\" lie in each "
                "other",
                index, path, i, spec->shares[i].path);
    return 0;
}

static int read_one(const json_t *item, size_t index, struct wr_spec *spec, struct wr_error *err)
{
    const char *id = NULL, *path = NULL;
    bool read_only = false;
    const struct wr_json_field fields[] = {
        {.name = "volume", .kind = WR_JSON_STRING, .required = true, .ret = &id},
        {.name = "path",
         .kind = WR_JSON_STRING,
         .required = true,
         .ret = &path,
         .max = WR_ACTION_VOLUME_PATH},
        {.name = "readOnly", .kind = WR_JSON_BOOL, .ret = &read_only},
    };

    if (!json_is_object(item))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "volumes[%zu] must be an object", index);
    int rc = wr_json_read(item, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (rc < 0)
        return wr_wrap(err, "volumes[%zu]", index);
    if (!wr_share_id_valid(id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "volumes[%zu].volume: \"%.40s\" is not a UUID in lower case", index, id);
    if (wr_spec_has_share(spec, id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "volumes[%zu]: %s is mounted already", index,
                       id);
    rc = check_path(spec, path, index, err);
    if (rc < 0)
        return rc;
    struct wr_spec_share *share = &spec->shares[spec->share_count++];
    memcpy(share->id, id, sizeof(share->id));
    memcpy(share->path, path, strlen(path) + 1);
    share->read_only = read_only;
    return 0;
}

int wr_spec_shares_read(const json_t *array, struct wr_spec *spec, struct wr_error *err)
{
    const size_t count = json_array_size(array);
    int rc = 0;

    if (count > WR_ACTION_MAX_VOLUMES)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "volumes: %zu of them; %d are possible",
                       count, WR_ACTION_MAX_VOLUMES);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = read_one(json_array_get(array, i), i, spec, err);
    return rc;
}

int wr_spec_content_check(const struct wr_spec *spec, struct wr_error *err)
{
    if (!spec->access_token[0])
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "content: an accessToken is needed");
    for (size_t i = 0; i < spec->share_count; i++)
        if (wr_streq(spec->shares[i].path, WR_ACTION_CONTENT_PATH) && !spec->shares[i].read_only)
            return 0;
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "content: a volume at " WR_ACTION_CONTENT_PATH " that can be written is needed");
}

void wr_spec_shares_write(const struct wr_spec *spec, struct wr_jw *w)
{
    if (spec->share_count == 0)
        return;
    wr_jw_key(w, "volumes");
    wr_jw_array(w);
    for (size_t i = 0; i < spec->share_count; i++) {
        wr_jw_object(w);
        wr_jw_kstr(w, "volume", spec->shares[i].id);
        wr_jw_kstr(w, "path", spec->shares[i].path);
        wr_jw_kbool(w, "readOnly", spec->shares[i].read_only);
        wr_jw_end(w);
    }
    wr_jw_end(w);
}

bool wr_spec_has_share(const struct wr_spec *spec, const char *id)
{
    for (size_t i = 0; i < spec->share_count; i++)
        if (wr_streq(spec->shares[i].id, id))
            return true;
    return false;
}
