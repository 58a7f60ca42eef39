#include <string.h>

#include "base/error.h"
#include "base/rand.h"
#include "base/str.h"
#include "client/handles.h"
#include "warren/volumes.h"

#define NAME_MAX_LEN 128
#define NAME_BYTES   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
#define ID_MAX_LEN   64
#define ID_BYTES     "0123456789abcdef-"

/* A call that no sandbox is concerned with. */
static int begin(const struct wr_client *client, bool known, const struct wr_wait *wait,
                 struct wr_call *ret, struct wr_error *err)
{
    if (!known)
        return wr_fail(err, WR_E_UNIMPLEMENTED, 0, "%.80s has no volumes", wr_client_name(client));
    return wr_wait_begin(client, wait, 0, &ret->wait, err);
}

int wr_volume_create(struct wr_client *client, const char *name, uint64_t size_bytes,
                     const struct wr_wait *wait, struct wr_value **ret, struct wr_error *err)
{
    const struct wr_driver *driver = &client->driver;
    char random[sizeof "warren-" + WR_ID_LEN] = "warren-";
    struct wr_call call = {0};

    if (name && !wr_str_only(name, NAME_BYTES, 1, NAME_MAX_LEN))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "volume %.60s: a name has 1 to %d letters, digits, _ and -", name,
                       NAME_MAX_LEN);
    int r = begin(client, driver->ops->volume_create, wait, &call, err);
    if (r < 0)
        return r;
    if (!name)
        wr_random_id(random + strlen(random), WR_ID_LEN);
    return driver->ops->volume_create(driver->self, &call, name ? name : random, size_bytes, ret,
                                      err);
}

int wr_volume_remove(struct wr_client *client, const char *id, const struct wr_wait *wait,
                     struct wr_error *err)
{
    const struct wr_driver *driver = &client->driver;
    struct wr_call call = {0};

    if (!id || !wr_str_only(id, ID_BYTES, 1, ID_MAX_LEN))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.60s is not the id of a volume",
                       id ? id : "NULL");
    int r = begin(client, driver->ops->volume_remove, wait, &call, err);
    return r < 0 ? r : driver->ops->volume_remove(driver->self, &call, id, err);
}

int wr_volume_list(struct wr_client *client, const struct wr_wait *wait, struct wr_value **ret,
                   struct wr_error *err)
{
    const struct wr_driver *driver = &client->driver;
    struct wr_call call = {0};

    int r = begin(client, driver->ops->volume_list, wait, &call, err);
    return r < 0 ? r : driver->ops->volume_list(driver->self, &call, ret, err);
}
