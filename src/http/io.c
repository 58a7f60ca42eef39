#include "http/io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"

/* Pieces of this size go to the kernel at once instead of through the buffer: no copy. Smaller ones
 * are gathered until the end of the round, so that many small messages cost one system call. */
#define DIRECT_MIN (16 * 1024)
/* What one producer may send past the buffer per round of the loop, for fairness towards the
 * others. */
#define ROUND_MAX  (1024 * 1024)

int wr_http_io_init(struct wr_http_io *io, struct wr_loop *loop, int fd, wr_source_fn on_event,
                    wr_timer_fn on_kick, void *data, struct wr_error *err)
{
    *io = (struct wr_http_io){.loop = loop, .fd = fd, .on_kick = on_kick, .data = data};
    wr_buf_init(&io->in, WR_HTTP_MAX_HEAD + WR_HTTP_READ_SIZE);
    wr_buf_init(&io->out, WR_HTTP_OUT_MAX);
    int r = wr_source_add(loop, &io->source, fd, EPOLLIN, on_event, data, err);
    if (r < 0)
        io->fd = wr_close(fd);
    return r;
}

void wr_http_io_close(struct wr_http_io *io)
{
    wr_source_remove(&io->source);
    wr_timer_stop(&io->kick);
    io->fd = wr_close(io->fd);
}

void wr_http_io_done(struct wr_http_io *io)
{
    wr_http_io_close(io);
    wr_buf_done(&io->in);
    wr_buf_done(&io->out);
}

void wr_http_io_kick(struct wr_http_io *io)
{
    struct wr_error err = {0};

    if (io->fd < 0 || io->kick.loop)
        return;
    /* Without memory for the timer: a socket that is nearly always writable brings the loop here as
     * well. */
    if (wr_timer_start(io->loop, &io->kick, 0, io->on_kick, io->data, &err) < 0 && io->source.loop)
        wr_source_set_events(&io->source, io->source.events | (uint32_t)EPOLLOUT);
}

ssize_t wr_http_io_fill(struct wr_http_io *io)
{
    /* A large buffer only for a peer that fills a small one: most messages fit into a page or two.
     */
    size_t want = WR_MIN(wr_buf_room(&io->in),
                         (size_t)(io->bulk ? WR_HTTP_READ_SIZE : WR_HTTP_FIRST_READ_SIZE));
    char *to = want > 0 ? wr_buf_reserve(&io->in, want) : NULL;

    if (!to)
        return want > 0 ? -ENOMEM : -ENOBUFS;
    ssize_t n = recv(io->fd, to, want, MSG_DONTWAIT);
    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    wr_buf_commit(&io->in, (size_t)n);
    io->moved += (size_t)n;
    io->bulk = (size_t)n == want;
    return n;
}

void wr_http_io_trim_input(struct wr_http_io *io)
{
    if (!io->bulk)
        wr_buf_trim(&io->in, 0);
}

/* One sendmsg(). Bytes taken (0 when the kernel takes none), or -errno. */
static ssize_t send_pieces(struct wr_http_io *io, struct iovec *iov, size_t count, size_t total)
{
    const struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
    ssize_t n = sendmsg(io->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return -errno;
    if (n < 0)
        n = 0;
    io->moved += (size_t)n;
    io->sent += (size_t)n;
    io->blocked = (size_t)n < total;
    return n;
}

int wr_http_io_flush(struct wr_http_io *io)
{
    while (io->out.len > 0 && !io->blocked) {
        struct iovec iov = {.iov_base = wr_buf_ptr(&io->out), .iov_len = io->out.len};
        ssize_t n = send_pieces(io, &iov, 1, io->out.len);
        if (n < 0)
            return (int)n;
        wr_buf_consume(&io->out, (size_t)n);
    }
    if (io->out.len == 0) {
        wr_buf_trim(&io->out, WR_HTTP_OUT_LOW);
        io->out.max = WR_HTTP_OUT_MAX;
    }
    return 0;
}

bool wr_http_io_full(struct wr_http_io *io)
{
    if (io->out.len <= WR_HTTP_OUT_HIGH && io->round_bytes <= ROUND_MAX)
        return false;
    io->want_drain = true;
    return true;
}

bool wr_http_io_take_drain(struct wr_http_io *io)
{
    if (!io->want_drain || io->out.len >= WR_HTTP_OUT_LOW)
        return false;
    io->want_drain = false;
    return true;
}

int wr_http_io_hand_over(struct wr_http_io *io, struct wr_buf *ret_rest, struct wr_buf *ret_out)
{
    if (wr_buf_room(ret_rest) < io->in.len || wr_buf_room(ret_out) < io->out.len)
        return -ENOBUFS;
    char *rest = io->in.len > 0 ? wr_buf_reserve(ret_rest, io->in.len) : NULL;
    char *out = io->out.len > 0 ? wr_buf_reserve(ret_out, io->out.len) : NULL;
    if ((io->in.len > 0 && !rest) || (io->out.len > 0 && !out))
        return -ENOMEM;
    if (io->in.len > 0) {
        memcpy(rest, wr_buf_ptr(&io->in), io->in.len);
        wr_buf_commit(ret_rest, io->in.len);
    }
    if (io->out.len > 0) {
        memcpy(out, wr_buf_ptr(&io->out), io->out.len);
        wr_buf_commit(ret_out, io->out.len);
    }
    wr_source_remove(&io->source);
    wr_timer_stop(&io->kick);
    return wr_steal_fd(&io->fd);
}

/* Appends what is behind the first `skip` bytes of the pieces. */
static int append_rest(struct wr_http_io *io, const struct iovec *iov, size_t count, size_t skip)
{
    for (size_t i = 0; i < count; i++) {
        size_t cut = WR_MIN(skip, iov[i].iov_len);
        skip -= cut;
        int r = iov[i].iov_len > cut ? wr_buf_append(&io->out, (const char *)iov[i].iov_base + cut,
                                                     iov[i].iov_len - cut)
                                     : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* Puts pieces behind the buffered output, past the buffer if they are large; iov[0] is for the
 * buffered output itself. */
static int put(struct wr_http_io *io, struct iovec *iov, size_t count)
{
    size_t fresh = 0, sent = 0;

    if (io->fd < 0)
        return -EPIPE;
    for (size_t i = 1; i < count; i++)
        fresh += iov[i].iov_len;
    if (fresh >= DIRECT_MIN && !io->blocked) {
        iov[0] = (struct iovec){.iov_base = wr_buf_ptr(&io->out), .iov_len = io->out.len};
        ssize_t n = send_pieces(io, iov, count, io->out.len + fresh);
        if (n < 0)
            return (int)n;
        size_t old = WR_MIN((size_t)n, io->out.len);
        sent = (size_t)n - old;
        wr_buf_consume(&io->out, old);
        io->round_bytes += (size_t)n;
    }
    wr_http_io_kick(io);
    return append_rest(io, iov + 1, count - 1, sent);
}

int wr_http_sender_start(struct wr_http_io *io, struct wr_http_sender *sender, int64_t length,
                         bool until_close)
{
    char text[24];

    if (length >= 0) {
        sender->framing = WR_H1_BODY_LENGTH;
        sender->remaining = (uint64_t)length;
        (void)snprintf(text, sizeof(text), "%lld", (long long)length);
        return wr_h1_write_header(&io->out, "Content-Length", text);
    }
    sender->framing = until_close ? WR_H1_BODY_UNTIL_CLOSE : WR_H1_BODY_CHUNKED;
    return until_close ? 0 : wr_h1_write_header(&io->out, "Transfer-Encoding", "chunked");
}

int wr_http_sender_write(struct wr_http_io *io, struct wr_http_sender *sender, const void *data,
                         size_t len)
{
    char size[20], crlf[2] = {'\r', '\n'};

    if (sender->framing == WR_H1_BODY_LENGTH) {
        if (len > sender->remaining)
            return -EMSGSIZE;
        sender->remaining -= len;
    }
    if (sender->mute || len == 0)
        return 0;
    struct iovec body = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    if (sender->framing != WR_H1_BODY_CHUNKED) {
        struct iovec plain[] = {{0}, body};
        return put(io, plain, WR_ARRAY_SIZE(plain));
    }
    int size_len = snprintf(size, sizeof(size), "%zx\r\n", len);
    struct iovec chunk[] = {{0}, {size, (size_t)size_len}, body, {crlf, sizeof(crlf)}};
    return put(io, chunk, WR_ARRAY_SIZE(chunk));
}

int wr_http_sender_end(struct wr_http_io *io, struct wr_http_sender *sender)
{
    if (sender->mute)
        return 0;
    if (sender->framing == WR_H1_BODY_LENGTH && sender->remaining > 0)
        return -EMSGSIZE;
    return sender->framing == WR_H1_BODY_CHUNKED ? wr_h1_write_last_chunk(&io->out) : 0;
}

int wr_http_send_whole(struct wr_http_io *io, const void *data, size_t len)
{
    struct iovec pieces[] = {{0}, {.iov_base = (void *)(uintptr_t)data, .iov_len = len}};

    if (len == 0)
        return 0;
    if (wr_buf_room(&io->out) < len)
        io->out.max = io->out.len + len;
    return put(io, pieces, WR_ARRAY_SIZE(pieces));
}
