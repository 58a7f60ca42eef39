#include "server/volume_mounts.h"

#include <errno.h>
#include <string.h>

#include "json/jread.h"
#include "server/settings.h"

#define KEY "volumeMounts"

/* Why a path cannot be one, or NULL. */
static const char *bad_path(const char *path)
{
    if (!*path)
        return "path cannot be empty";
    if (*path != '/')
        return "path must be absolute";
    if (!path[1])
        return "path must not be the root directory";
    if (strlen(path) > WR_ACTION_VOLUME_PATH)
        return "path is too long";
    for (const char *p = path; *p;) {
        size_t len = strcspn(++p, "/");
        if (len == 0)
            return "path must not contain empty components";
        if ((len == 1 && *p == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
            return "path must not contain any '.' or '..' components";
        p += len;
    }
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return "path must not contain control characters";
    return NULL;
}

/* Whether one is the other, or lies in it. */
static bool overlap(const char *a, const char *b)
{
    size_t len = WR_MIN(strlen(a), strlen(b));

    return memcmp(a, b, len) == 0 && (a[len] == '\0' || a[len] == '/') &&
           (b[len] == '\0' || b[len] == '/');
}

/* Where every sandbox has something of its own already. */
static bool is_of_the_system(const char *path)
{
    static const char *const roots[] = {"/proc", "/sys", "/dev", "/run", "/.warren"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(roots); i++) {
        size_t len = strlen(roots[i]);
        if (wr_starts_with(path, roots[i]) && (path[len] == '\0' || path[len] == '/'))
            return true;
    }
    return false;
}

/* INVALID_ARGUMENT is a problem of this mount, any other failure one of the server. */
static int read_one(struct wr_store *store, const char *team_id, const json_t *json, bool lenient,
                    struct wr_volume_mount *out, struct wr_error *err)
{
    const char *name = "", *path = "";
    struct wr_store_volume volume;
    const struct wr_json_field fields[] = {
        {.name = "name", .kind = WR_JSON_STRING, .required = true, .ret = &name},
        {.name = "path", .kind = WR_JSON_STRING, .required = true, .ret = &path},
        {.name = "readOnly", .kind = WR_JSON_BOOL, .ret = &out->read_only},
    };

    if (!json_is_object(json))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "not an object");
    int r = wr_json_read(json, fields, WR_ARRAY_SIZE(fields),
                         lenient ? WR_JSON_IGNORE_UNKNOWN : WR_JSON_REFUSE_UNKNOWN, err);
    if (r == 0)
        r = wr_store_volume_find(store, team_id, name, &volume, err);
    if (r == -WR_E_NOT_FOUND || (r == 0 && volume.removing))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "volume '%.128s' not found", name);
    if (r < 0)
        return r;
    const char *reason = bad_path(path);
    if (!reason && is_of_the_system(path))
        reason = "path is one of the system's";
    if (reason)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s", reason);
    memcpy(out->volume_id, volume.id, sizeof out->volume_id);
    memcpy(out->name, volume.name, sizeof out->name);
    return wr_strcopy(out->path, sizeof out->path, path)
               ? 0
               : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path is too long");
}

/* Against those that were read before. */
static int check_place(const struct wr_volume_mounts *mounts, const char *path,
                       struct wr_error *err)
{
    for (size_t i = 0; i < mounts->count; i++) {
        const char *other = mounts->items[i].path;
        if (wr_streq(other, path))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path '%.200s' is already used", path);
        if (overlap(other, path))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "path '%.80s' and path '%.80s' lie in each other", path, other);
    }
    return 0;
}

int wr_volume_mounts_read(struct wr_store *store, const char *team_id, const json_t *array,
                          bool lenient, struct wr_volume_mounts *ret, struct wr_buf *problems,
                          struct wr_error *err)
{
    struct wr_volume_mounts mounts = {.count = 0};
    size_t i;
    json_t *item;
    int full = 0;

    wr_buf_clear(problems);
    json_array_foreach(array, i, item) {
        struct wr_volume_mount mount = {.read_only = false};
        struct wr_error why = {0};
        int r = i < WR_ACTION_MAX_VOLUMES
                    ? read_one(store, team_id, item, lenient, &mount, &why)
                    : wr_fail(&why, WR_E_INVALID_ARGUMENT, 0, "a sandbox has at most %d",
                              WR_ACTION_MAX_VOLUMES);
        if (r == 0)
            r = check_place(&mounts, mount.path, &why);
        if (r == 0)
            mounts.items[mounts.count++] = mount;
        else if (r == -WR_E_INVALID_ARGUMENT)
            full = wr_buf_printf(problems, "%s\n\t- volume mount #%zu: %s",
                                 problems->len ? "" : "invalid mounts:", i, why.msg);
        else {
            *err = why;
            return r;
        }
        if (full < 0 || i > WR_ACTION_MAX_VOLUMES)
            break;
    }
    if (problems->len > 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "invalid mounts");
    *ret = mounts;
    return 0;
}

json_t *wr_volume_mounts_to_json(const struct wr_volume_mounts *mounts)
{
    wr_auto_json *out = json_array();

    for (size_t i = 0; i < mounts->count; i++) {
        const struct wr_volume_mount *mount = &mounts->items[i];
        json_t *item = json_pack("{s:s, s:s, s:s}", "name", mount->name, "path", mount->path,
                                 "volumeID", mount->volume_id);
        if (mount->read_only && json_object_set_new(item, "readOnly", json_true()) < 0) {
            json_decref(item);
            return NULL;
        }
        if (json_array_append_new(out, item) < 0)
            return NULL;
    }
    return json_incref(out);
}

bool wr_volume_mounts_have(const json_t *settings, const char *volume_id)
{
    const json_t *list = json_object_get(settings, KEY);
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item) {
        const char *id = json_string_value(json_object_get(item, "volumeID"));
        if (id && wr_streq(id, volume_id))
            return true;
    }
    return false;
}
