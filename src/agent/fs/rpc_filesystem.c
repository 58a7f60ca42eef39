#include "agent/fs/rpc_filesystem.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/auth.h"
#include "agent/fs/entry.h"
#include "agent/fs/filesystem_messages.h"
#include "agent/fs/list_dir.h"
#include "agent/fs/make_dirs.h"
#include "agent/fs/path.h"
#include "agent/fs/remove.h"
#include "agent/fs/watch_poll.h"
#include "agent/fs/watch_stream.h"
#include "agent/keepalive.h"
#include "json/jwrite.h"
#include "rpc/connect.h"

#define ENTRY_ANSWER_MAX ((size_t)256 * 1024) /* paths of 4 KiB, escaped, and metadata */

/* Who asks, and for which path: what nearly every method begins with. */
struct target {
    struct wr_user user;
    char path[PATH_MAX];
};

static const char *text_of(const json_t *request, const char *field)
{
    const char *text = json_string_value(json_object_get(request, field));
    return text ? text : "";
}

static int read_path(const struct wr_agent *agent, const json_t *request, const char *field,
                     const struct wr_user *user, char out[static PATH_MAX], struct wr_error *err)
{
    return wr_path_resolve(text_of(request, field), user, agent->config->default_workdir, out, err);
}

static int read_target(const struct wr_agent *agent, const struct wr_connect_call *call,
                       const char *field, struct target *ret, struct wr_error *err)
{
    int rc = wr_auth_user(agent->config, call->ex, &ret->user, err);

    return rc < 0 ? rc : read_path(agent, call->request, field, &ret->user, ret->path, err);
}

/* An answer about one file. */
static int reply_entry(const struct wr_connect_call *call, const char *path, struct wr_error *err)
{
    wr_auto_buf out = WR_BUF(ENTRY_ANSWER_MAX);
    wr_auto_id_names names = {0};
    struct wr_jw w;
    struct stat st;

    if (lstat(path, &st) < 0) {
        if (errno == ENOENT)
            return wr_fail_errno(err, WR_E_NOT_FOUND, "file not found: %.180s", path);
        return wr_fail_errno(err, WR_E_INTERNAL, "error getting file info of '%.160s'", path);
    }
    wr_jw_init(&w, &out);
    wr_jw_object(&w);
    wr_jw_key(&w, "entry");
    wr_entry_write(&w, path, path, &st, &names);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the answer");
    wr_connect_reply(&call->out, wr_buf_ptr(&out), out.len);
    return 0;
}

static int do_stat(struct wr_agent *agent, const struct wr_connect_call *call, struct wr_error *err)
{
    struct target t;
    int rc = read_target(agent, call, "path", &t, err);

    return rc < 0 ? rc : reply_entry(call, t.path, err);
}

static int do_make_dir(struct wr_agent *agent, const struct wr_connect_call *call,
                       struct wr_error *err)
{
    struct target t;
    struct stat st;
    int rc = read_target(agent, call, "path", &t, err);

    if (rc < 0)
        return rc;
    if (stat(t.path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "directory already exists: %.180s", t.path);
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "path already exists but it is not a directory: %.160s", t.path);
    }
    if (errno != ENOENT)
        return wr_fail_errno(err, WR_E_INTERNAL, "error getting file info of '%.160s'", t.path);
    rc = wr_make_dirs(t.path, &t.user, err);
    /* Whoever writes into it next is seen by the watchers of a tree around it. */
    wr_watchers_drain(&agent->filesystem.watchers);
    return rc < 0 ? rc : reply_entry(call, t.path, err);
}

static int do_move(struct wr_agent *agent, const struct wr_connect_call *call, struct wr_error *err)
{
    struct target t;
    char destination[PATH_MAX];
    int rc = read_target(agent, call, "source", &t, err);

    if (rc == 0)
        rc = read_path(agent, call->request, "destination", &t.user, destination, err);
    if (rc == 0)
        rc = wr_make_parent_dirs(destination, &t.user, err);
    if (rc < 0)
        return rc;
    if (rename(t.path, destination) < 0) {
        if (errno == ENOENT)
            return wr_fail_errno(err, WR_E_NOT_FOUND, "source file not found: %.160s", t.path);
        return wr_fail_errno(err, WR_E_INTERNAL, "error renaming '%.80s' to '%.80s'", t.path,
                             destination);
    }
    wr_watchers_drain(&agent->filesystem.watchers);
    return reply_entry(call, destination, err);
}

static int do_list_dir(struct wr_agent *agent, const struct wr_connect_call *call,
                       struct wr_error *err)
{
    struct target t;
    int rc = read_target(agent, call, "path", &t, err);
    const json_t *depth = json_object_get(call->request, "depth");

    return rc < 0 ? rc
                  : wr_list_dir(&agent->filesystem, &call->out, t.path,
                                (uint32_t)json_integer_value(depth), err);
}

static int do_remove(struct wr_agent *agent, const struct wr_connect_call *call,
                     struct wr_error *err)
{
    struct target t;
    int rc = read_target(agent, call, "path", &t, err);

    return rc < 0 ? rc : wr_remove(&agent->filesystem, &call->out, t.path, err);
}

static struct wr_watch_request read_watch(const json_t *request, const char *path)
{
    return (struct wr_watch_request){
        .path = path,
        .recursive = json_is_true(json_object_get(request, "recursive")),
        .include_entry = json_is_true(json_object_get(request, "includeEntry")),
        .allow_network_mounts = json_is_true(json_object_get(request, "allowNetworkMounts")),
    };
}

static int do_watch_dir(struct wr_agent *agent, const struct wr_connect_call *call,
                        struct wr_error *err)
{
    struct target t;
    const struct wr_watch_stream_opts opts = {.keepalive_ms = wr_keepalive_ms(call->ex),
                                              .timeout_ms = call->timeout_ms};
    int rc = read_target(agent, call, "path", &t, err);

    if (rc < 0)
        return rc;
    const struct wr_watch_request request = read_watch(call->request, t.path);
    wr_watch_poll_make_room(&agent->filesystem.watchers);
    return wr_watch_stream(&agent->filesystem.watchers, &request, &call->out, &opts, err);
}

static int do_create_watcher(struct wr_agent *agent, const struct wr_connect_call *call,
                             struct wr_error *err)
{
    struct target t;
    char id[WR_WATCHER_ID_LEN + 1];
    wr_auto_buf out = WR_BUF(128);
    struct wr_jw w;
    int rc = read_target(agent, call, "path", &t, err);

    if (rc < 0)
        return rc;
    const struct wr_watch_request request = read_watch(call->request, t.path);
    rc = wr_watch_poll_create(&agent->filesystem.watchers, &request, id, err);
    if (rc < 0)
        return rc;
    wr_jw_init(&w, &out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "watcherId", id);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0) {
        (void)!wr_watch_poll_remove(&agent->filesystem.watchers, id, err);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the answer");
    }
    wr_connect_reply(&call->out, wr_buf_ptr(&out), out.len);
    return 0;
}

static int do_get_watcher_events(struct wr_agent *agent, const struct wr_connect_call *call,
                                 struct wr_error *err)
{
    return wr_watch_poll_events(&agent->filesystem.watchers, text_of(call->request, "watcherId"),
                                &call->out, err);
}

static int do_remove_watcher(struct wr_agent *agent, const struct wr_connect_call *call,
                             struct wr_error *err)
{
    int rc =
        wr_watch_poll_remove(&agent->filesystem.watchers, text_of(call->request, "watcherId"), err);

    if (rc == 0)
        wr_connect_reply(&call->out, NULL, 0);
    return rc;
}

/* Each answers the call, now or later, or fails without an answer. */
typedef int (*action_fn)(struct wr_agent *agent, const struct wr_connect_call *call,
                         struct wr_error *err);

static void run(action_fn action, const struct wr_connect_call *call, void *data)
{
    struct wr_error err = {0};

    if (action(data, call, &err) < 0)
        wr_connect_fail(&call->out, &err);
}

#define HANDLER(name)                                                         \
    static void handle_##name(const struct wr_connect_call *call, void *data) \
    {                                                                         \
        run(do_##name, call, data);                                           \
    }
HANDLER(stat)
HANDLER(make_dir)
HANDLER(move)
HANDLER(list_dir)
HANDLER(remove)
HANDLER(watch_dir)
HANDLER(create_watcher)
HANDLER(get_watcher_events)
HANDLER(remove_watcher)

static const struct wr_connect_method methods[] = {
    {"/filesystem.Filesystem/Stat", WR_CONNECT_UNARY, &wr_fs_path_request, &wr_fs_entry_response,
     handle_stat},
    {"/filesystem.Filesystem/MakeDir", WR_CONNECT_UNARY, &wr_fs_path_request, &wr_fs_entry_response,
     handle_make_dir},
    {"/filesystem.Filesystem/Move", WR_CONNECT_UNARY, &wr_fs_move_request, &wr_fs_entry_response,
     handle_move},
    {"/filesystem.Filesystem/ListDir", WR_CONNECT_UNARY, &wr_fs_list_dir_request,
     &wr_fs_list_dir_response, handle_list_dir},
    {"/filesystem.Filesystem/Remove", WR_CONNECT_UNARY, &wr_fs_path_request, &wr_fs_empty_response,
     handle_remove},
    {"/filesystem.Filesystem/WatchDir", WR_CONNECT_SERVER_STREAM, &wr_fs_watch_request,
     &wr_fs_watch_dir_response, handle_watch_dir},
    {"/filesystem.Filesystem/CreateWatcher", WR_CONNECT_UNARY, &wr_fs_watch_request,
     &wr_fs_create_watcher_response, handle_create_watcher},
    {"/filesystem.Filesystem/GetWatcherEvents", WR_CONNECT_UNARY, &wr_fs_watcher_request,
     &wr_fs_watcher_events_response, handle_get_watcher_events},
    {"/filesystem.Filesystem/RemoveWatcher", WR_CONNECT_UNARY, &wr_fs_watcher_request,
     &wr_fs_empty_response, handle_remove_watcher},
};

bool wr_rpc_filesystem(struct wr_agent *agent, struct wr_exchange *ex)
{
    return wr_connect_dispatch(methods, WR_ARRAY_SIZE(methods), ex, agent);
}
