#include "agent/fs/files_get.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fs/file_headers.h"
#include "agent/fs/target.h"
#include "agent/reply.h"
#include "base/alloc.h"
#include "base/fd.h"

#define PIECE           ((size_t)64 * 1024) /* bytes per read */
#define PIECES_PER_TURN 16                  /* then other connections get theirs */

struct download {
    struct wr_exchange *ex;
    int fd;
    bool sized; /* Content-Length was sent: `remaining` counts down to it */
    uint64_t remaining;
    struct wr_idle again;
    char piece[PIECE];
};

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct download *d = data;
    (void)ex;
    (void)aborted;
    wr_idle_cancel(&d->again);
    d->fd = wr_close(d->fd);
    free(d);
}

/* One piece. True when another may follow at once. */
static bool send_piece(struct download *d)
{
    size_t want = d->sized ? (size_t)WR_MIN(d->remaining, PIECE) : PIECE;
    ssize_t n = want > 0 ? read(d->fd, d->piece, want) : 0;

    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 || (n == 0 && d->sized && d->remaining > 0)) {
        /* Unreadable, or it shrank below the promised length: the peer must see that it is cut. */
        wr_exchange_abort(d->ex);
        return false;
    }
    if (n == 0) {
        wr_exchange_end(d->ex);
        return false;
    }
    if (d->sized)
        d->remaining -= (uint64_t)n;
    return wr_exchange_write(d->ex, d->piece, (size_t)n) == WR_HTTP_MORE;
}

static void send_pieces(struct download *d)
{
    struct wr_loop *loop = wr_exchange_loop(d->ex);
    for (int i = 0; i < PIECES_PER_TURN; i++) {
        if (!send_piece(d))
            return; /* full, ended or gone */
    }
    wr_idle_queue(loop, &d->again);
}

static void on_idle(struct wr_idle *idle, void *data)
{
    (void)idle;
    send_pieces(data);
}

static void on_drain(struct wr_exchange *ex, void *data)
{
    (void)ex;
    send_pieces(data);
}

static const struct wr_exchange_ops ops = {.on_drain = on_drain, .on_close = on_close};

static void send_file(struct wr_exchange *ex, const char *path, int fd, const struct stat *st)
{
    struct download *d =
        malloc(sizeof(*d)); /* not zeroed: 64 KiB that are written before they are read */
    if (!d) {
        (void)wr_close(fd);
        wr_reply_error(ex, 500, "no memory for reading '%s'", path);
        return;
    }
    d->ex = ex;
    d->fd = fd;
    d->remaining = (uint64_t)st->st_size;
    d->sized = true;
    d->again = (struct wr_idle){.fn = on_idle, .data = d};

    ssize_t first = 0;
    if (st->st_size == 0) {
        /* procfs and its kin report no size: look whether there is something, and if so, send until
         * the end. */
        first = read(fd, d->piece, sizeof(d->piece));
        if (first < 0) {
            wr_reply_error(ex, 500, "error reading '%s': %s", path, wr_errno_text(errno));
            (void)wr_close(fd);
            free(d);
            return;
        }
        d->sized = first == 0;
    }
    wr_exchange_set_ops(ex, &ops, d);
    wr_exchange_begin(ex, 200);
    wr_file_headers(ex, path, st);
    wr_exchange_stream(ex, d->sized ? st->st_size : -1);
    if (first == 0 || wr_exchange_write(ex, d->piece, (size_t)first) == WR_HTTP_MORE)
        send_pieces(d);
}

void wr_files_get(struct wr_agent *agent, struct wr_exchange *ex)
{
    struct wr_file_target target;
    struct stat st;

    if (!wr_file_target_read(agent, ex, &target))
        return;
    /* Non-blocking: a FIFO must not stop the agent. */
    wr_auto_close int fd = open(target.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        wr_reply_error(ex, 404, "path '%s' does not exist", target.path);
        return;
    }
    if (fd < 0 || fstat(fd, &st) < 0) {
        wr_reply_error(ex, 500, "error opening '%s': %s", target.path, wr_errno_text(errno));
        return;
    }
    if (S_ISDIR(st.st_mode)) {
        wr_reply_error(ex, 400, "path '%s' is a directory", target.path);
        return;
    }
    if (!S_ISREG(st.st_mode)) {
        wr_reply_error(ex, 400, "path '%s' is not a regular file", target.path);
        return;
    }
    send_file(ex, target.path, wr_steal_fd(&fd), &st);
}
