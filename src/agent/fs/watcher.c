#include "agent/fs/watcher.h"

#include <errno.h>
#include <sys/stat.h>

#include "agent/fs/entry.h"
#include "agent/fs/network_fs.h"
#include "base/str.h"
#include "json/jwrite.h"

#define STEPS_PER_TURN 512
/* The kernel's queue holds 16384 events; reading new directories takes further steps. */
#define STEPS_OF_DRAIN 262144

static const struct {
    const char *name;
    bool has_entry;
} types[] = {
    [WR_WATCH_CREATE] = {"EVENT_TYPE_CREATE", true},
    [WR_WATCH_RENAME] = {"EVENT_TYPE_RENAME", false},
    [WR_WATCH_CHMOD] = {"EVENT_TYPE_CHMOD", true},
    [WR_WATCH_WRITE] = {"EVENT_TYPE_WRITE", true},
    [WR_WATCH_REMOVE] = {"EVENT_TYPE_REMOVE", false},
};

/* The entry as far as it is still there. */
static void write_entry(struct wr_watcher *watcher, struct wr_jw *w, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    const char *root = watcher->tree.path;
    bool is_root = wr_streq(name, ".");

    if (!wr_strformat(path, sizeof(path), "%s%s%s", root,
                      is_root || wr_ends_with(root, "/") ? "" : "/", is_root ? "" : name) ||
        lstat(path, &st) < 0)
        return;
    wr_jw_key(w, "entry");
    wr_entry_write(w, path, path, &st, &watcher->names);
}

static void on_change(enum wr_watch_type type, const char *name, void *data)
{
    struct wr_watcher *watcher = data;
    struct wr_jw w;

    wr_buf_clear(&watcher->json);
    wr_jw_init(&w, &watcher->json);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "name", name);
    wr_jw_kstr(&w, "type", types[type].name);
    if (watcher->include_entry && types[type].has_entry)
        write_entry(watcher, &w, name);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) == 0)
        watcher->ops->on_event(watcher, type, name, wr_buf_ptr(&watcher->json), watcher->json.len);
}

/* At most `steps` steps. False when the watcher has failed and is closed. */
static bool take(struct wr_watcher *watcher, size_t steps)
{
    struct wr_error err = {0};
    int rc = 1;

    while (rc == 1 && steps-- > 0 && !watcher->paused)
        rc = wr_watch_tree_step(&watcher->tree, &err);
    wr_id_names_done(&watcher->names);
    wr_buf_trim(&watcher->json, 0);
    if (rc < 0) {
        wr_watcher_close(watcher);
        watcher->ops->on_failure(watcher, &err);
        return false;
    }
    if (rc == 1 && !watcher->paused)
        wr_idle_queue(watcher->set->loop, &watcher->again);
    return true;
}

static void on_readable(struct wr_source *source, uint32_t events, void *data)
{
    (void)source;
    (void)events;
    (void)take(data, STEPS_PER_TURN);
}

static void on_idle(struct wr_idle *idle, void *data)
{
    (void)idle;
    (void)take(data, STEPS_PER_TURN);
}

void wr_watchers_init(struct wr_watchers *set, struct wr_loop *loop)
{
    *set = (struct wr_watchers){.loop = loop};
    wr_list_init(&set->all);
    wr_list_init(&set->polled);
}

void wr_watchers_drain(struct wr_watchers *set)
{
    wr_list_foreach(it, &set->all) {
        struct wr_watcher *watcher = wr_list_entry(it, struct wr_watcher, link);
        if (watcher->tree.recursive)
            wr_watcher_drain(watcher);
    }
}

static int check_path(const struct wr_watch_request *request, struct wr_error *err)
{
    struct stat st;

    if (stat(request->path, &st) < 0) {
        if (errno == ENOENT)
            return wr_fail_errno(err, WR_E_NOT_FOUND, "path %.160s not found", request->path);
        return wr_fail_errno(err, WR_E_INTERNAL, "error statting path %.160s", request->path);
    }
    if (!S_ISDIR(st.st_mode))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path %.160s not a directory", request->path);
    if (!request->allow_network_mounts && wr_is_network_fs(request->path))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "cannot watch path on network filesystem: %.160s", request->path);
    return 0;
}

int wr_watcher_open(struct wr_watcher *watcher, struct wr_watchers *set,
                    const struct wr_watch_request *request, const struct wr_watcher_ops *ops,
                    struct wr_error *err)
{
    int rc = check_path(request, err);

    if (rc == 0 && set->count >= WR_WATCHERS_MAX)
        rc = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                     "%d directories are watched already; stop one first", WR_WATCHERS_MAX);
    if (rc < 0)
        return rc;
    *watcher = (struct wr_watcher){.set = set,
                                   .ops = ops,
                                   .include_entry = request->include_entry,
                                   .again = {.fn = on_idle, .data = watcher},
                                   .json = WR_BUF(WR_WATCH_JSON_MAX)};
    rc = wr_watch_tree_open(&watcher->tree, request->path, request->recursive, on_change, watcher,
                            err);
    if (rc < 0)
        return rc;
    rc = wr_source_add(set->loop, &watcher->source, watcher->tree.fd, EPOLLIN, on_readable, watcher,
                       err);
    if (rc < 0) {
        wr_watch_tree_close(&watcher->tree);
        return rc;
    }
    wr_list_append(&set->all, &watcher->link);
    set->count++;
    return 0;
}

void wr_watcher_close(struct wr_watcher *watcher)
{
    if (!wr_list_linked(&watcher->link))
        return;
    wr_list_remove(&watcher->link);
    watcher->set->count--;
    wr_idle_cancel(&watcher->again);
    wr_source_remove(&watcher->source);
    wr_watch_tree_close(&watcher->tree);
    wr_id_names_done(&watcher->names);
    wr_buf_done(&watcher->json);
}

void wr_watcher_drain(struct wr_watcher *watcher)
{
    if (wr_list_linked(&watcher->link) && !watcher->paused)
        (void)take(watcher, STEPS_OF_DRAIN);
}

void wr_watcher_pause(struct wr_watcher *watcher, bool paused)
{
    if (!wr_list_linked(&watcher->link) || watcher->paused == paused)
        return;
    watcher->paused = paused;
    wr_source_set_events(&watcher->source, paused ? 0 : EPOLLIN);
    if (!paused) /* there may be work that the descriptor does not tell of */
        wr_idle_queue(watcher->set->loop, &watcher->again);
}
