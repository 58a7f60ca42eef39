/*
 * One socket on the loop with its two buffers, and the framing of a body that goes out. Shared by
 * both sides of the codec; private to http/.
 */
#pragma once

#include <sys/types.h>

#include "base/buf.h"
#include "http/h1.h"
#include "http/limits.h"
#include "loop/loop.h"

struct wr_http_io {
    struct wr_loop *loop;
    int fd; /* owned; -1 once closed or handed over */
    struct wr_source source;
    struct wr_timer kick; /* without delay: runs the connection at the end of the round */
    wr_timer_fn on_kick;
    void *data; /* for on_kick */
    struct wr_buf in;
    struct wr_buf out;
    uint64_t moved;     /* bytes read and sent; says only whether something moved */
    uint64_t sent;      /* bytes given to the kernel */
    size_t round_bytes; /* sent past the buffer in this round */
    bool blocked;       /* the kernel took less than it was offered */
    bool want_drain;    /* a producer was told to wait */
    bool bulk;          /* the last read was a full one: more is likely to follow */
};

/* Takes `fd` in any case. The source starts with EPOLLIN. */
int wr_http_io_init(struct wr_http_io *io, struct wr_loop *loop, int fd, wr_source_fn on_event,
                    wr_timer_fn on_kick, void *data, struct wr_error *err) WR_MUST_CHECK;
/* Leaves the loop and closes the socket; the buffers stay, since a callback may still look at them.
 */
void wr_http_io_close(struct wr_http_io *io);
void wr_http_io_done(struct wr_http_io *io);
/* Asks for one run at the end of the round. */
void wr_http_io_kick(struct wr_http_io *io);
/* One recv(). Bytes read, 0 at the end of the stream, -EAGAIN, or another -errno. */
ssize_t wr_http_io_fill(struct wr_http_io *io) WR_MUST_CHECK;
/* Frees an empty input buffer unless bytes come in bulk: a connection that waits holds none. */
void wr_http_io_trim_input(struct wr_http_io *io);
/* Sends what the kernel takes. 0 or -errno. */
int wr_http_io_flush(struct wr_http_io *io) WR_MUST_CHECK;
/* Whether the producer has to wait; then a drain is owed to it. */
bool wr_http_io_full(struct wr_http_io *io);
/* Whether the owed drain is due; the debt is settled by it. */
bool wr_http_io_take_drain(struct wr_http_io *io);
/* Moves what was read and what was not sent to the new owner of the socket. The descriptor, or
 * -errno with nothing changed. */
int wr_http_io_hand_over(struct wr_http_io *io, struct wr_buf *ret_rest, struct wr_buf *ret_out)
    WR_MUST_CHECK;

/* Framing of an outgoing body. */
struct wr_http_sender {
    enum wr_h1_framing framing;
    uint64_t remaining; /* of a Content-Length */
    bool mute;          /* no body bytes go out: HEAD, 204, 304 */
};
/* Writes the framing field of the head: Content-Length when length >= 0, else Transfer-Encoding
 * unless `until_close`. */
int wr_http_sender_start(struct wr_http_io *io, struct wr_http_sender *sender, int64_t length,
                         bool until_close) WR_MUST_CHECK;
/* One piece, as one chunk. 0; -EMSGSIZE above the promised length, or another -errno. */
int wr_http_sender_write(struct wr_http_io *io, struct wr_http_sender *sender, const void *data,
                         size_t len) WR_MUST_CHECK;
/* 0; -EMSGSIZE when less than the promised length was written. */
int wr_http_sender_end(struct wr_http_io *io, struct wr_http_sender *sender) WR_MUST_CHECK;
/* A body that is there as a whole, whatever its size: its holder has bounded it. */
int wr_http_send_whole(struct wr_http_io *io, const void *data, size_t len) WR_MUST_CHECK;
