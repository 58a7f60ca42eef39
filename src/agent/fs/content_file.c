#include "agent/fs/content_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/fs/content_make.h"
#include "agent/fs/content_reply.h"
#include "agent/fs/content_resolve.h"
#include "agent/fs/download.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"

void wr_content_file_get(struct wr_exchange *ex, int root, const struct wr_content_query *query)
{
    struct wr_download *download = NULL;
    struct wr_error err;
    struct stat st;
    /* Non-blocking: a FIFO, or a lease of a sandbox's program, must not stop the agent. */
    wr_auto_close int fd = wr_content_open(root, query->path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) < 0) {
        wr_content_fail_errno(ex, fd < 0 ? -fd : errno, "read", query->path);
        return;
    }
    if (!S_ISREG(st.st_mode)) {
        wr_content_fail_errno(ex, S_ISDIR(st.st_mode) ? EISDIR : ENXIO, "read", query->path);
        return;
    }
    const struct wr_download_opts opts = {
        .fd = wr_steal_fd(&fd), .length = st.st_size, .head_only = wr_exchange_is(ex, "HEAD")};
    if (wr_download_new(ex, &opts, &download, &err) < 0) {
        wr_content_fail(ex, 500, "%s", err.msg);
        return;
    }
    wr_exchange_begin(ex, 200);
    wr_exchange_header(ex, "Content-Type", "application/octet-stream");
    wr_exchange_header(ex, "X-Content-Type-Options", "nosniff");
    wr_download_start(download);
}

struct put {
    struct wr_content_query query;
    struct wr_content_place place;
    int fd;       /* the file without a name */
    int os_errno; /* 0: none yet; else the rest of the body is dropped */
};

static void put_free(struct put *p)
{
    wr_content_place_done(&p->place);
    p->fd = wr_close(p->fd);
    free(p);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    (void)ex;
    (void)aborted;
    put_free(data);
}

static void on_body(struct wr_exchange *ex, const char *data, size_t len, void *data_ptr)
{
    struct put *p = data_ptr;

    (void)ex;
    /* After a failure the answer waits for the end of the body: a client that still sends would
     * only see a broken connection. */
    if (p->os_errno == 0)
        p->os_errno = -wr_write_all(p->fd, data, len);
    if (p->os_errno)
        p->fd = wr_close(p->fd);
}

/* Gives the open file a name that is free. 0 or -errno. */
static int link_as(const struct put *p, const char *name)
{
    char self[32];

    if (!wr_strformat(self, sizeof(self), "/proc/self/fd/%d", p->fd))
        return -ENAMETOOLONG;
    return linkat(AT_FDCWD, self, p->place.parent, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* In place of what has the name: a link too is replaced, and not what it leads to. */
static int replace(const struct put *p)
{
    char temporary[WR_ID_LEN + 16] = ".upload-";
    const size_t len = strlen(temporary);

    wr_random_id(temporary + len, WR_ID_LEN);
    int rc = link_as(p, temporary);
    if (rc < 0)
        return rc;
    if (renameat(p->place.parent, temporary, p->place.parent, p->place.name) == 0)
        return 0;
    rc = -errno;
    (void)unlinkat(p->place.parent, temporary, 0);
    return rc;
}

static int finish(const struct put *p)
{
    const struct wr_content_query *query = &p->query;

    if (fchown(p->fd, query->uid, query->gid) < 0 ||
        fchmod(p->fd, query->has_mode ? query->mode : WR_CONTENT_FILE_MODE) < 0)
        return -errno;
    int rc = link_as(p, p->place.name);
    return rc == -EEXIST && query->force ? replace(p) : rc;
}

static void on_body_end(struct wr_exchange *ex, void *data)
{
    struct put *p = data;
    struct stat st;

    if (p->os_errno == 0)
        p->os_errno = -finish(p);
    if (p->os_errno == 0 && fstat(p->fd, &st) < 0)
        p->os_errno = errno;
    if (p->os_errno)
        wr_content_fail_errno_now(ex, p->os_errno, "write", p->query.path);
    else
        wr_content_entry_reply(ex, 201, p->place.parent, p->place.name, p->query.path, &st);
}

static const struct wr_exchange_ops ops = {
    .on_body = on_body, .on_body_end = on_body_end, .on_close = on_close};

/* Everything that can be known before the body. 0 or -errno. */
static int prepare(struct put *p, int root)
{
    struct stat st;
    int rc = p->query.force ? wr_content_make_parents(root, &p->query) : 0;

    if (rc == 0)
        rc = wr_content_place(root, p->query.path, &p->place);
    if (rc == 0 && p->place.name[0] == '\0')
        rc = -EISDIR;
    if (rc < 0)
        return rc;
    rc = wr_content_place_stat(&p->place, &st);
    if (rc == 0 && !p->query.force)
        return -EEXIST;
    if (rc == 0 && S_ISDIR(st.st_mode))
        return -EISDIR;
    if (rc < 0 && rc != -ENOENT)
        return rc;
    p->fd = openat(p->place.parent, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    return p->fd < 0 ? -errno : 0;
}

void wr_content_file_put(struct wr_exchange *ex, int root, const struct wr_content_query *query)
{
    struct put *p = wr_calloc(1, sizeof(*p));

    if (!p) {
        wr_content_fail(ex, 500, "no memory for the upload");
        return;
    }
    p->query = *query;
    p->place.parent = p->fd = -1;
    int rc = prepare(p, root);
    if (rc < 0) {
        put_free(p);
        wr_content_fail_errno(ex, -rc, "write", query->path);
        return;
    }
    wr_exchange_set_ops(ex, &ops, p);
}
