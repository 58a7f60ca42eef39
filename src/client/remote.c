#include "client/remote.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "client/remote_ops.h"
#include "client/start.h"

#define DEFAULT_DOMAIN "e2b.app"

/* What was given, else the variable, else NULL; empty ones count as missing. */
static const char *setting(const char *given, const char *variable)
{
    if (!given || !*given)
        given = getenv(variable);
    return given && *given ? given : NULL;
}

static enum wr_backend choose(const struct wr_client_opts *opts)
{
    if (opts->backend != WR_BACKEND_AUTO)
        return opts->backend;
    if (setting(opts->socket_path, "WARREN_SOCKET"))
        return WR_BACKEND_SOCKET;
    return setting(opts->api_key, "E2B_API_KEY") ? WR_BACKEND_E2B : WR_BACKEND_PRIVATE;
}

static int make_e2b(struct wr_remote *remote, const struct wr_client_opts *opts,
                    struct wr_error *err)
{
    const struct wr_endpoint_opts endpoint = {
        .api_key = setting(opts->api_key, "E2B_API_KEY"),
        .domain = setting(opts->domain, "E2B_DOMAIN"),
        .api_url = setting(opts->api_url, "E2B_API_URL"),
        .sandbox_url = setting(opts->sandbox_url, "E2B_SANDBOX_URL"),
    };
    const char *domain = endpoint.domain;

    /* With an API of one's own, E2B's domain is not where its sandboxes are. */
    if (!domain)
        domain = endpoint.api_url ? "" : DEFAULT_DOMAIN;
    remote->has_sandbox_url = endpoint.sandbox_url != NULL;
    remote->domain = wr_strdup(domain);
    if (!remote->domain)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "client");
    return wr_endpoint_new(&endpoint, &remote->endpoint, err);
}

static int make_socket(struct wr_remote *remote, const struct wr_client_opts *opts,
                       struct wr_error *err)
{
    const char *path = setting(opts->socket_path, "WARREN_SOCKET");
    const char *data_dir = setting(opts->data_dir, "WARREN_DATA_DIR");

    remote->domain = wr_strdup("");
    remote->data_dir = wr_strdup(data_dir ? data_dir : WR_DEFAULT_DATA_DIR);
    if (opts->executable)
        remote->executable = wr_strdup(opts->executable);
    if (!remote->domain || !remote->data_dir || (opts->executable && !remote->executable))
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "client");
    return wr_endpoint_new_socket(path ? path : WR_DEFAULT_SOCKET, &remote->endpoint, err);
}

static void remote_free(void *self)
{
    struct wr_remote *remote = self;

    wr_remote_pool_done(&remote->pool);
    wr_endpoint_free(remote->endpoint);
    free(remote->domain);
    free(remote->data_dir);
    free(remote->executable);
    free(remote);
}

static const struct wr_driver_ops remote_ops = {
    .check = wr_remote_check,
    .sandbox_create = wr_remote_sandbox_create,
    .sandbox_connect = wr_remote_sandbox_connect,
    .sandbox_kill = wr_remote_sandbox_kill,
    .sandbox_set_timeout = wr_remote_sandbox_set_timeout,
    .sandbox_pause = wr_remote_sandbox_pause,
    .sandbox_resume = wr_remote_sandbox_resume,
    .sandbox_fork = wr_remote_sandbox_fork,
    .sandbox_rollback = wr_remote_sandbox_rollback,
    .sandbox_info = wr_remote_sandbox_info,
    .sandbox_metrics = wr_remote_sandbox_metrics,
    .sandbox_list = wr_remote_sandbox_list,
    .snapshot_create = wr_remote_snapshot_create,
    .snapshot_list = wr_remote_snapshot_list,
    .snapshot_tree = wr_remote_snapshot_tree,
    .snapshot_remove = wr_remote_snapshot_remove,
    .code_run = wr_remote_code_run,
    .context_create = wr_remote_context_create,
    .context_list = wr_remote_context_list,
    .context_restart = wr_remote_context_restart,
    .context_remove = wr_remote_context_remove,
    .program_run = wr_remote_program_run,
    .program_start = wr_remote_program_start,
    .program_wait = wr_remote_program_wait,
    .program_write = wr_remote_program_write,
    .program_close_input = wr_remote_program_close_input,
    .program_resize = wr_remote_program_resize,
    .program_signal = wr_remote_program_signal,
    .program_pid = wr_remote_program_pid,
    .program_free = wr_remote_program_free,
    .program_list = wr_remote_program_list,
    .file_read = wr_remote_file_read,
    .file_write_all = wr_remote_file_write_all,
    .file_upload = wr_remote_file_upload,
    .file_download = wr_remote_file_download,
    .file_list = wr_remote_file_list,
    .file_stat = wr_remote_file_stat,
    .file_make_dir = wr_remote_file_make_dir,
    .file_rename = wr_remote_file_rename,
    .file_remove = wr_remote_file_remove,
    .file_watch = wr_remote_file_watch,
    .volume_create = wr_remote_volume_create,
    .volume_remove = wr_remote_volume_remove,
    .volume_list = wr_remote_volume_list,
    .free = remote_free,
};

int wr_remote_new(const struct wr_client_opts *opts, struct wr_driver *ret, struct wr_error *err)
{
    static int (*const makers[])(struct wr_remote *, const struct wr_client_opts *,
                                 struct wr_error *) = {
        [WR_BACKEND_SOCKET] = make_socket,
        [WR_BACKEND_E2B] = make_e2b,
        [WR_BACKEND_PRIVATE] = make_socket,
    };
    enum wr_backend backend = choose(opts);

    if ((unsigned)backend >= WR_ARRAY_SIZE(makers) || !makers[backend])
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "client: there is no backend %d",
                       (int)backend);
    struct wr_remote *remote = wr_calloc(1, sizeof *remote);
    if (!remote)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "client");
    remote->backend = backend;
    wr_remote_pool_init(&remote->pool);
    int r = makers[backend](remote, opts, err);
    if (r < 0) {
        remote_free(remote);
        return r;
    }
    *ret = (struct wr_driver){.ops = &remote_ops,
                              .self = remote,
                              .backend = backend,
                              .name = wr_endpoint_name(remote->endpoint),
                              .request_timeout_ms = opts->request_timeout_ms};
    return 0;
}
