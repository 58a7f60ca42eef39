#include "agent/fs/download.h"

#include <errno.h>
#include <unistd.h>

#include "agent/fs/gzip.h"
#include "base/alloc.h"
#include "base/fd.h"

#define PIECE           ((size_t)64 * 1024) /* bytes per read */
#define PIECES_PER_TURN 16                  /* then other connections get theirs */
#define PACKED_PER_TURN 2                   /* packing a piece takes about a millisecond */

struct wr_download {
    struct wr_exchange *ex;
    int fd;
    bool sized; /* Content-Length was promised: `remaining` counts down to it */
    bool head_only;
    uint64_t remaining;
    struct wr_gzip *gzip; /* NULL: as it is */
    enum wr_http_flow flow;
    struct wr_idle again;
    char piece[PIECE];
};

static void on_packed(const char *bytes, size_t len, void *data)
{
    struct wr_download *d = data;
    d->flow = wr_exchange_write(d->ex, bytes, len);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct wr_download *d = data;
    (void)ex;
    (void)aborted;
    wr_idle_cancel(&d->again);
    d->fd = wr_close(d->fd);
    d->gzip = wr_gzip_free(d->gzip);
    free(d);
}

/* One piece. True when another may follow at once. */
static bool send_piece(struct wr_download *d)
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
    d->flow = WR_HTTP_MORE;
    if (d->gzip)
        wr_gzip_feed(d->gzip, d->piece, (size_t)n, n == 0);
    else if (n > 0)
        d->flow = wr_exchange_write(d->ex, d->piece, (size_t)n);
    d->remaining -= d->sized ? (uint64_t)n : 0;
    if (n == 0)
        wr_exchange_end(d->ex);
    return n > 0 && d->flow == WR_HTTP_MORE;
}

static void send_pieces(struct wr_download *d)
{
    struct wr_loop *loop = wr_exchange_loop(d->ex);
    for (int i = 0; i < (d->gzip ? PACKED_PER_TURN : PIECES_PER_TURN); i++) {
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

int wr_download_new(struct wr_exchange *ex, const struct wr_download_opts *opts,
                    struct wr_download **ret, struct wr_error *err)
{
    /* Not zeroed: 64 KiB that are written before they are read. */
    struct wr_download *d = malloc(sizeof(*d));
    bool packs = opts->pack && !opts->head_only;
    struct wr_gzip *gzip = d && packs ? wr_gzip_new(on_packed, d) : NULL;

    if (!d || (packs && !gzip)) {
        free(d);
        (void)wr_close(opts->fd);
        return wr_fail(err, WR_E_INTERNAL, 0, "no memory for a download");
    }
    d->ex = ex;
    d->fd = opts->fd;
    d->sized = opts->length >= 0 && !opts->pack;
    d->head_only = opts->head_only;
    d->remaining = d->sized ? (uint64_t)opts->length : 0;
    d->gzip = gzip;
    d->flow = WR_HTTP_MORE;
    d->again = (struct wr_idle){.fn = on_idle, .data = d};
    *ret = d;
    return 0;
}

void wr_download_start(struct wr_download *d)
{
    struct wr_exchange *ex = d->ex;

    wr_exchange_set_ops(ex, &ops, d);
    wr_exchange_stream(ex, d->sized ? (int64_t)d->remaining : -1);
    if (d->head_only)
        wr_exchange_end(ex);
    else
        send_pieces(d);
}
