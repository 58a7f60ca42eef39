#include "base/error.h"
#include "base/options.h"
#include "client/handles.h"
#include "client/persist_request.h"

int wr_snapshot_create(struct wr_sandbox *sandbox, const struct wr_snapshot_opts *opts,
                       const struct wr_wait *wait, struct wr_value **ret, struct wr_error *err)
{
    struct wr_snapshot_opts own;
    struct wr_call call = {0};

    int r = wr_options_read(opts, &own, sizeof own, "wr_snapshot_opts", err);
    if (r == 0 && own.name)
        r = wr_snapshot_ref_check(own.name, err);
    if (r == 0)
        r = wr_call_begin(sandbox, wait, WR_PERSIST_MS, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->snapshot_create(driver->self, &call, &own, ret, err);
}

int wr_snapshot_list(struct wr_client *client, const struct wr_snapshot_list_opts *opts,
                     const struct wr_wait *wait, struct wr_value **ret, struct wr_error *err)
{
    struct wr_snapshot_list_opts own;
    struct wr_call call = {0};

    int r = wr_options_read(opts, &own, sizeof own, "wr_snapshot_list_opts", err);
    if (r == 0 && own.sandbox_id)
        r = wr_sandbox_id_check(own.sandbox_id, err);
    if (r == 0 && own.name)
        r = wr_snapshot_ref_check(own.name, err);
    if (r == 0)
        r = wr_wait_begin(client, wait, 0, &call.wait, err);
    return r < 0 ? r
                 : client->driver.ops->snapshot_list(client->driver.self, &call, &own, ret, err);
}

int wr_snapshot_tree(struct wr_client *client, const char *id, const struct wr_wait *wait,
                     struct wr_value **ret, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_snapshot_ref_check(id, err);
    if (r == 0)
        r = wr_wait_begin(client, wait, 0, &call.wait, err);
    return r < 0 ? r : client->driver.ops->snapshot_tree(client->driver.self, &call, id, ret, err);
}

int wr_snapshot_delete(struct wr_client *client, const char *id, const struct wr_wait *wait,
                       struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_snapshot_ref_check(id, err);
    if (r == 0)
        r = wr_wait_begin(client, wait, WR_PERSIST_MS, &call.wait, err);
    return r < 0 ? r : client->driver.ops->snapshot_remove(client->driver.self, &call, id, err);
}
