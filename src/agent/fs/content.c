#include "agent/fs/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/fs/content_file.h"
#include "agent/fs/content_list.h"
#include "agent/fs/content_make.h"
#include "agent/fs/content_reply.h"
#include "agent/fs/content_request.h"
#include "agent/fs/content_resolve.h"
#include "agent/fs/remove.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "http/router.h"

#define PREFIX    "/volumecontent/"
#define PATCH_MAX 4096 /* bytes of its body */

/* What every request begins with. False when it was answered. */
static bool begin(const struct wr_agent *agent, struct wr_exchange *ex,
                  struct wr_content_query *query, int *ret_root)
{
    struct wr_error err;

    if (wr_content_query_read(ex, query, &err) < 0) {
        wr_content_fail(ex, 400, "%s", err.msg);
        return false;
    }
    *ret_root = wr_content_root(agent->config->content_root);
    if (*ret_root < 0)
        wr_content_fail(ex, 500, "the volume cannot be opened: %s", wr_errno_text(-*ret_root));
    return *ret_root >= 0;
}

static void get_path(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    WR_CLEANUP(wr_content_place_done) struct wr_content_place place = WR_CONTENT_NOWHERE;
    struct wr_content_query query;
    wr_auto_close int root = -1;
    struct stat st;

    (void)match;
    if (!begin(data, ex, &query, &root))
        return;
    int rc = wr_content_place(root, query.path, &place);
    if (rc == 0)
        rc = wr_content_place_stat(&place, &st);
    if (rc < 0)
        wr_content_fail_errno(ex, -rc, "look at", query.path);
    else
        wr_content_entry_reply(ex, 200, place.parent, place.name, query.path, &st);
}

/* Through links, like chmod(1) and chown(1). The owner first: a change of it takes bits of the mode
 * away. 0 or -errno. */
static int apply(int fd, const struct wr_content_change *change)
{
    char self[32];

    if (!wr_strformat(self, sizeof(self), "/proc/self/fd/%d", fd))
        return -ENAMETOOLONG;
    if ((change->has_uid || change->has_gid) &&
        fchownat(fd, "", change->has_uid ? (uid_t)change->uid : (uid_t)-1,
                 change->has_gid ? (gid_t)change->gid : (gid_t)-1, AT_EMPTY_PATH) < 0)
        return -errno;
    /* The descriptor is O_PATH, so that files that cannot be opened have a mode too. */
    if (change->has_mode && chmod(self, (mode_t)change->mode) < 0)
        return -errno;
    return 0;
}

/* A PATCH whose body is awaited. */
struct patch {
    struct wr_content_query query;
    int root; /* owned */
};

static void on_patch(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    const struct patch *p = data;
    struct wr_content_change change = {.has_uid = false};
    struct wr_error err;
    struct stat st;

    if (wr_content_change_read(body, len, &change, &err) < 0) {
        wr_content_fail_now(ex, 400, "%s", err.msg);
        return;
    }
    wr_auto_close int fd = wr_content_open(p->root, p->query.path, O_PATH);
    int rc = fd < 0 ? fd : apply(fd, &change);
    if (rc == 0 && fstat(fd, &st) < 0)
        rc = -errno;
    if (rc < 0)
        wr_content_fail_errno_now(ex, -rc, "change", p->query.path);
    else
        wr_content_entry_reply(ex, 200, fd, "", p->query.path, &st);
}

static void on_patch_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct patch *p = data;

    (void)ex;
    (void)aborted;
    wr_close(p->root);
    free(p);
}

static void patch_path(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_content_query query;
    wr_auto_close int root = -1;

    (void)match;
    if (!begin(data, ex, &query, &root))
        return;
    struct patch *p = wr_calloc(1, sizeof(*p));
    if (!p) {
        wr_content_fail(ex, 500, "no memory for the request");
        return;
    }
    *p = (struct patch){.query = query, .root = wr_steal_fd(&root)};
    wr_exchange_collect(ex, PATCH_MAX, on_patch, on_patch_close, p);
}

static void answer_removal(const struct wr_remove_client *client, int rc, const char *path)
{
    if (rc < 0) {
        wr_content_fail_errno_now(client->ex, -rc, "remove", path);
        return;
    }
    wr_exchange_begin(client->ex, 204);
    wr_exchange_send(client->ex, NULL, 0);
}

static void delete_path(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    WR_CLEANUP(wr_content_place_done) struct wr_content_place place = WR_CONTENT_NOWHERE;
    const struct wr_remove_client client = {.ex = ex, .answer = answer_removal};
    struct wr_agent *agent = data;
    struct wr_content_query query;
    wr_auto_close int root = -1;
    struct stat st;

    (void)match;
    if (!begin(data, ex, &query, &root))
        return;
    int rc = wr_content_place(root, query.path, &place);
    if (rc == 0 && place.name[0] == '\0') {
        wr_content_fail(ex, 400, "the root of a volume cannot be removed");
        return;
    }
    if (rc == 0)
        rc = wr_content_place_stat(&place, &st);
    if (rc == 0)
        rc = wr_remove_at(&agent->filesystem, &client, wr_steal_fd(&place.parent), place.name,
                          query.path);
    if (rc < 0)
        wr_content_fail_errno(ex, -rc, "remove", query.path);
}

static void get_dir(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_agent *agent = data;
    struct wr_content_query query;
    wr_auto_close int root = -1;

    (void)match;
    if (begin(data, ex, &query, &root))
        wr_content_list(&agent->filesystem, ex, root, &query);
}

/* The routes that need nothing but the volume's root and the query. */
static void answer(const struct wr_agent *agent, struct wr_exchange *ex,
                   void (*fn)(struct wr_exchange *ex, int root,
                              const struct wr_content_query *query))
{
    struct wr_content_query query;
    wr_auto_close int root = -1;

    if (begin(agent, ex, &query, &root))
        fn(ex, root, &query);
}

static void post_dir(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    answer(data, ex, wr_content_make_dir);
}

static void get_file(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    answer(data, ex, wr_content_file_get);
}

static void put_file(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    answer(data, ex, wr_content_file_put);
}

static const struct wr_route routes[] = {
    {"GET", PREFIX "path", get_path},       {"PATCH", PREFIX "path", patch_path},
    {"DELETE", PREFIX "path", delete_path}, {"GET", PREFIX "dir", get_dir},
    {"POST", PREFIX "dir", post_dir},       {"GET", PREFIX "file", get_file},
    {"PUT", PREFIX "file", put_file},
};

bool wr_content_handle(struct wr_agent *agent, struct wr_exchange *ex)
{
    if (!wr_starts_with(wr_exchange_path(ex), PREFIX))
        return false;
    switch (wr_route_dispatch(routes, WR_ARRAY_SIZE(routes), ex, agent)) {
    case WR_ROUTE_FOUND:
        break;
    case WR_ROUTE_NO_PATH:
        wr_content_fail(ex, 404, "no such path: %s", wr_exchange_path(ex));
        break;
    case WR_ROUTE_NO_METHOD:
        wr_content_fail(ex, 405, "method not allowed for %s", wr_exchange_path(ex));
        break;
    }
    return true;
}
