#include "server/api/create_snapshot.h"

#include <errno.h>

#include "json/jread.h"

struct reading {
    json_t *settings, *env; /* owned */
};

static void read_origin(const struct wr_store_snapshot_origin *origin, void *data)
{
    struct reading *reading = data;

    reading->settings = json_loads(origin->settings, 0, NULL);
    reading->env = json_loads(origin->env, 0, NULL);
}

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "create");
}

/* ---- volumes ---- */

/* As clients wrote it: name, path, and whether it is read-only. */
static bool same_mount(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"name", "path"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(keys); i++)
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
            return false;
    return json_is_true(json_object_get(a, "readOnly")) ==
           json_is_true(json_object_get(b, "readOnly"));
}

static bool same_mounts(const json_t *asked, const json_t *have)
{
    const json_t *item;
    size_t i;

    if (json_array_size(asked) != json_array_size(have))
        return false;
    json_array_foreach(asked, i, item)
        if (!same_mount(item, json_array_get(have, i)))
            return false;
    return true;
}

static int check_volume(struct wr_store *store, const json_t *mount, struct wr_error *err)
{
    const char *id = json_string_value(json_object_get(mount, "volumeID"));
    const char *name = json_string_value(json_object_get(mount, "name"));
    struct wr_store_volume volume = {.removing = true};

    int r = wr_store_volume_get(store, id ? id : "", &volume, err);
    if (r == -WR_E_NOT_FOUND || (r == 0 && volume.removing))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "volume '%.128s', which the snapshot has mounted, is gone",
                       name ? name : "");
    return r;
}

static int take_volumes(struct wr_store *store, const json_t *have,
                        struct wr_create_request *request, struct wr_error *err)
{
    json_t *item;
    size_t i;
    int r = 0;

    if (json_array_size(request->volume_mounts) > 0 && !same_mounts(request->volume_mounts, have))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "volumeMounts: a sandbox from a snapshot has the volumes of the snapshot, "
                       "and no others");
    request->volume_mounts = NULL;
    json_array_foreach(have, i, item) {
        if (r == 0)
            r = check_volume(store, item, err);
    }
    if (r < 0 || json_array_size(have) == 0)
        return r;
    return json_object_set(request->settings, "volumeMounts", (json_t *)(uintptr_t)have) < 0
               ? no_memory(err)
               : 0;
}

/* ---- environment, openness ---- */

static int take_env(json_t *env, struct wr_create_request *request, struct wr_error *err)
{
    json_t *own = (json_t *)(uintptr_t)request->spec.env_vars;

    if (own && json_object_update(env, own) < 0)
        return no_memory(err);
    json_decref(request->env);
    request->env = json_incref(env);
    request->spec.env_vars = env;
    return 0;
}

/* "allowPublicTraffic" of the request counts; without it, the snapshot's does. */
static int take_openness(const struct wr_store_snapshot *snapshot,
                         struct wr_create_request *request, struct wr_error *err)
{
    json_t *network = json_object_get(request->settings, "network");

    request->spec.secure = request->spec.secure || snapshot->secure;
    if (!snapshot->private_traffic || json_object_get(network, "allowPublicTraffic"))
        return 0;
    if (!network) {
        network = json_object();
        if (json_object_set_new(request->settings, "network", network) < 0)
            return no_memory(err);
    }
    if (json_object_set_new(network, "allowPublicTraffic", json_false()) < 0)
        return no_memory(err);
    request->spec.private_traffic = true;
    return 0;
}

int wr_api_create_from_snapshot(struct wr_store *store, const struct wr_store_snapshot *snapshot,
                                struct wr_create_request *request, struct wr_error *err)
{
    struct reading reading = {.settings = NULL};
    int r = wr_store_snapshot_origin(store, snapshot->id, read_origin, &reading, err);

    if (r == 0 && (!reading.settings || !reading.env))
        r = wr_fail(err, WR_E_DATA_LOSS, 0, "settings of snapshot %s", snapshot->id);
    if (r == 0)
        r = take_volumes(store, json_object_get(reading.settings, "volumeMounts"), request, err);
    if (r == 0)
        r = take_env(reading.env, request, err);
    if (r == 0)
        r = take_openness(snapshot, request, err);
    if (r == 0)
        request->spec.snapshot = snapshot;
    json_decref(reading.settings);
    json_decref(reading.env);
    return r;
}
