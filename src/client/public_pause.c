#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "client/handles.h"
#include "client/persist_request.h"
#include "json/value.h"

/* ---- pause ---- */

static int pause(struct wr_client *client, const struct wr_call *call,
                 const struct wr_pause_opts *opts, struct wr_value **ret, struct wr_error *err)
{
    wr_auto_value *result = NULL;

    int r = client->driver.ops->sandbox_pause(client->driver.self, call, opts, &result, err);
    if (r == 0 && ret) {
        *ret = result;
        result = NULL;
    }
    return r;
}

static int read_pause_opts(const struct wr_pause_opts *opts, struct wr_pause_opts *ret,
                           struct wr_error *err)
{
    int r = wr_options_read(opts, ret, sizeof *ret, "wr_pause_opts", err);

    if (r == 0 && ret->level != WR_SANDBOX_LEVEL_DEFAULT && !wr_sandbox_level_name(ret->level))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "pause: there is no level %d", (int)ret->level);
    return r;
}

int wr_sandbox_pause(struct wr_sandbox *sandbox, const struct wr_pause_opts *opts,
                     const struct wr_wait *wait, struct wr_value **ret, struct wr_error *err)
{
    struct wr_pause_opts own;
    struct wr_call call = {0};

    int r = read_pause_opts(opts, &own, err);
    if (r == 0)
        r = wr_call_begin(sandbox, wait, WR_PERSIST_MS, &call, err);
    return r < 0 ? r : pause(sandbox->client, &call, &own, ret, err);
}

int wr_sandbox_pause_id(struct wr_client *client, const char *id, const struct wr_pause_opts *opts,
                        const struct wr_wait *wait, struct wr_value **ret, struct wr_error *err)
{
    struct wr_sandbox_access access = {0};
    struct wr_call call = {.sandbox = &access};
    struct wr_pause_opts own;

    int r = read_pause_opts(opts, &own, err);
    if (r == 0)
        r = wr_sandbox_id_check(id, err);
    if (r == 0)
        r = wr_wait_begin(client, wait, WR_PERSIST_MS, &call.wait, err);
    if (r < 0)
        return r;
    memcpy(access.id, id, strlen(id) + 1);
    return pause(client, &call, &own, ret, err);
}

/* ---- resume, rollback ---- */

int wr_sandbox_resume(struct wr_sandbox *sandbox, const struct wr_resume_opts *opts,
                      const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_resume_opts own;
    struct wr_call call = {0};

    int r = wr_options_read(opts, &own, sizeof own, "wr_resume_opts", err);
    if (r == 0)
        r = wr_call_begin(sandbox, wait, WR_PERSIST_MS, &call, err);
    if (r < 0)
        return r;
    if (own.timeout_s == 0)
        own.timeout_s = WR_SANDBOX_TIMEOUT_S;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->sandbox_resume(driver->self, &call, &own, err);
}

int wr_sandbox_rollback(struct wr_sandbox *sandbox, const char *snapshot_id, uint64_t timeout_s,
                        const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_snapshot_ref_check(snapshot_id, err);
    if (r == 0)
        r = wr_call_begin(sandbox, wait, WR_PERSIST_MS, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->sandbox_rollback(driver->self, &call, snapshot_id,
                                         timeout_s ? timeout_s : WR_SANDBOX_TIMEOUT_S, err);
}

/* ---- fork ---- */

/* Before the request, as there is no way back from sandboxes that nobody has a handle of. */
static int make_handles(struct wr_client *client, size_t count, struct wr_sandbox **ret,
                        struct wr_error *err)
{
    for (size_t i = 0; i < count; i++) {
        ret[i] = wr_sandbox_new(client, err);
        if (!ret[i])
            return -err->code;
    }
    return 0;
}

static int fork_into(struct wr_sandbox *sandbox, const struct wr_call *call,
                     const struct wr_fork_opts *opts, struct wr_sandbox **handles, size_t *ret_made,
                     struct wr_error *err)
{
    const struct wr_driver *driver = &sandbox->client->driver;
    struct wr_sandbox_access *accesses = wr_calloc(opts->count, sizeof *accesses);

    if (!accesses)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "forks");
    int r = make_handles(sandbox->client, opts->count, handles, err);
    if (r == 0)
        r = driver->ops->sandbox_fork(driver->self, call, opts, accesses, ret_made, err);
    for (size_t i = 0; r == 0 && i < *ret_made; i++)
        handles[i]->access = accesses[i];
    explicit_bzero(accesses, opts->count * sizeof *accesses);
    free(accesses);
    return r;
}

int wr_sandbox_fork(struct wr_sandbox *sandbox, const struct wr_fork_opts *opts,
                    const struct wr_wait *wait, struct wr_sandbox **ret, size_t *ret_made,
                    struct wr_error *err)
{
    struct wr_sandbox *handles[WR_FORK_MAX] = {0};
    struct wr_fork_opts own;
    struct wr_call call = {0};
    size_t made = 0;

    int r = wr_options_read(opts, &own, sizeof own, "wr_fork_opts", err);
    if (r < 0)
        return r;
    own.count = own.count ? own.count : 1;
    own.timeout_s = own.timeout_s ? own.timeout_s : WR_SANDBOX_TIMEOUT_S;
    if (own.count > WR_FORK_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "fork: %u is not between 1 and %d", own.count,
                       WR_FORK_MAX);
    r = wr_call_begin(sandbox, wait, WR_PERSIST_MS, &call, err);
    if (r == 0)
        r = fork_into(sandbox, &call, &own, handles, &made, err);
    for (size_t i = 0; i < own.count; i++) {
        if (r == 0 && i < made)
            ret[i] = handles[i];
        else
            wr_sandbox_free(handles[i]);
    }
    if (r == 0)
        *ret_made = made;
    return r;
}
