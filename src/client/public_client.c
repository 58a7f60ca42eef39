#include <errno.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "client/handles.h"
#include "client/remote.h"

const char *wr_version(void)
{
    return WR_VERSION;
}

int wr_client_with_driver(const struct wr_driver *driver, struct wr_client **ret,
                          struct wr_error *err)
{
    wr_auto_free char *name = wr_strdup(driver->name);
    struct wr_client *client = wr_calloc(1, sizeof *client);

    if (!name || !client) {
        free(client);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "client");
    }
    atomic_init(&client->holders, 1);
    client->driver = *driver;
    client->driver.name = wr_steal_ptr(&name);
    if (client->driver.request_timeout_ms == 0)
        client->driver.request_timeout_ms = WR_REQUEST_TIMEOUT_MS;
    *ret = client;
    return 0;
}

struct wr_client *wr_client_new(const struct wr_client_opts *opts, struct wr_error *err)
{
    struct wr_client *client = NULL;
    struct wr_client_opts own;
    struct wr_driver driver;

    if (wr_options_read(opts, &own, sizeof own, "wr_client_opts", err) < 0 ||
        wr_remote_new(&own, &driver, err) < 0)
        return NULL;
    if (wr_client_with_driver(&driver, &client, err) < 0)
        driver.ops->free(driver.self);
    return client;
}

struct wr_client *wr_client_ref(struct wr_client *client)
{
    if (client)
        atomic_fetch_add(&client->holders, 1);
    return client;
}

struct wr_client *wr_client_free(struct wr_client *client)
{
    if (!client || atomic_fetch_sub(&client->holders, 1) > 1)
        return NULL;
    client->driver.ops->free(client->driver.self);
    free((char *)(uintptr_t)client->driver.name);
    free(client);
    return NULL;
}

enum wr_backend wr_client_backend(const struct wr_client *client)
{
    return client->driver.backend;
}

const char *wr_client_name(const struct wr_client *client)
{
    return client->driver.name;
}

int wr_client_check(struct wr_client *client, const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_wait_begin(client, wait, 0, &call.wait, err);
    return r < 0 ? r : client->driver.ops->check(client->driver.self, &call, err);
}
