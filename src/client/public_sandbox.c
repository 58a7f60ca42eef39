#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "base/str.h"
#include "client/handles.h"

#define DEFAULT_TEMPLATE "code-interpreter-v1"

static int check_opts(const struct wr_sandbox_opts *opts, struct wr_error *err)
{
    const struct {
        const char *const *items;
        size_t count;
        const char *what;
    } lists[] = {
        {opts->allow_out, opts->allow_out_count, "sandbox: allow_out"},
        {opts->deny_out, opts->deny_out_count, "sandbox: deny_out"},
        {opts->volumes, opts->volume_count, "sandbox: volumes"},
    };

    int r = wr_opts_check_text(opts->template_name, "sandbox: template_name", err);
    if (r == 0)
        r = wr_opts_check_pairs(opts->envs, opts->env_count, "sandbox: envs", err);
    if (r == 0)
        r = wr_opts_check_pairs(opts->metadata, opts->metadata_count, "sandbox: metadata", err);
    for (size_t i = 0; r == 0 && i < WR_ARRAY_SIZE(lists); i++)
        for (size_t k = 0; r == 0 && k < lists[i].count; k++)
            r = wr_opts_check_text(lists[i].items ? lists[i].items[k] : NULL, lists[i].what, err);
    return r;
}

int wr_sandbox_create(struct wr_client *client, const struct wr_sandbox_opts *opts,
                      const struct wr_wait *wait, struct wr_sandbox **ret, struct wr_error *err)
{
    struct wr_sandbox_opts own;
    struct wr_call call = {0};

    int r = wr_options_read(opts, &own, sizeof own, "wr_sandbox_opts", err);
    if (r < 0)
        return r;
    if (!own.template_name)
        own.template_name = DEFAULT_TEMPLATE;
    if (own.timeout_s == 0)
        own.timeout_s = WR_SANDBOX_TIMEOUT_S;
    r = check_opts(&own, err);
    if (r == 0)
        r = wr_wait_begin(client, wait, 0, &call.wait, err);
    if (r < 0)
        return r;
    /* Before the request: there is no way back from a sandbox that nobody has a handle of. */
    struct wr_sandbox *sandbox = wr_sandbox_new(client, err);
    if (!sandbox)
        return -err->code;
    r = client->driver.ops->sandbox_create(client->driver.self, &call, &own, &sandbox->access, err);
    if (r < 0) {
        wr_sandbox_free(sandbox);
        return r;
    }
    *ret = sandbox;
    return 0;
}

int wr_sandbox_connect(struct wr_client *client, const char *id, uint64_t timeout_s,
                       const struct wr_wait *wait, struct wr_sandbox **ret, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_sandbox_id_check(id, err);
    if (r == 0)
        r = wr_wait_begin(client, wait, 0, &call.wait, err);
    if (r < 0)
        return r;
    struct wr_sandbox *sandbox = wr_sandbox_new(client, err);
    if (!sandbox)
        return -err->code;
    r = client->driver.ops->sandbox_connect(client->driver.self, &call, id,
                                            timeout_s ? timeout_s : WR_SANDBOX_TIMEOUT_S,
                                            &sandbox->access, err);
    if (r < 0) {
        wr_sandbox_free(sandbox);
        return r;
    }
    *ret = sandbox;
    return 0;
}

struct wr_sandbox *wr_sandbox_ref(struct wr_sandbox *sandbox)
{
    if (sandbox)
        atomic_fetch_add(&sandbox->holders, 1);
    return sandbox;
}

struct wr_sandbox *wr_sandbox_free(struct wr_sandbox *sandbox)
{
    if (!sandbox || atomic_fetch_sub(&sandbox->holders, 1) > 1)
        return NULL;
    wr_client_free(sandbox->client);
    explicit_bzero(&sandbox->access, sizeof sandbox->access);
    free(sandbox);
    return NULL;
}

const char *wr_sandbox_id(const struct wr_sandbox *sandbox)
{
    return sandbox->access.id;
}

struct wr_client *wr_sandbox_client(const struct wr_sandbox *sandbox)
{
    return sandbox->client;
}

int wr_sandbox_host(const struct wr_sandbox *sandbox, uint16_t port, char **ret,
                    struct wr_error *err)
{
    const struct wr_sandbox_access *access = &sandbox->access;

    if (!access->domain[0])
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "%s has no domain for ports of sandboxes; `warren serve --domain` gives one",
                       wr_client_name(sandbox->client));
    char *host = wr_asprintf("%u-%s.%s", port, access->id, access->domain);
    if (!host)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "host");
    *ret = host;
    return 0;
}

int wr_sandbox_kill(struct wr_sandbox *sandbox, const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_call_begin(sandbox, wait, 0, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->sandbox_kill(driver->self, &call, err);
}

int wr_sandbox_kill_id(struct wr_client *client, const char *id, const struct wr_wait *wait,
                       struct wr_error *err)
{
    struct wr_sandbox_access access = {0};
    struct wr_call call = {.sandbox = &access};

    int r = wr_sandbox_id_check(id, err);
    if (r == 0)
        r = wr_wait_begin(client, wait, 0, &call.wait, err);
    if (r < 0)
        return r;
    memcpy(access.id, id, strlen(id) + 1);
    return client->driver.ops->sandbox_kill(client->driver.self, &call, err);
}

int wr_sandbox_set_timeout(struct wr_sandbox *sandbox, uint64_t timeout_s,
                           const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_call_begin(sandbox, wait, 0, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->sandbox_set_timeout(driver->self, &call, timeout_s, err);
}

int wr_sandbox_info(struct wr_sandbox *sandbox, const struct wr_wait *wait, struct wr_value **ret,
                    struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_call_begin(sandbox, wait, 0, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->sandbox_info(driver->self, &call, ret, err);
}

int wr_sandbox_metrics(struct wr_sandbox *sandbox, const struct wr_wait *wait,
                       struct wr_value **ret, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_call_begin(sandbox, wait, 0, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->sandbox_metrics(driver->self, &call, ret, err);
}

int wr_sandbox_list(struct wr_client *client, const char *const *metadata, size_t metadata_count,
                    const struct wr_wait *wait, struct wr_value **ret, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_opts_check_pairs(metadata, metadata_count, "list: metadata", err);
    if (r == 0)
        r = wr_wait_begin(client, wait, 0, &call.wait, err);
    return r < 0 ? r
                 : client->driver.ops->sandbox_list(client->driver.self, &call, metadata,
                                                    metadata_count, ret, err);
}
