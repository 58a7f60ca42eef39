#include "server/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "server/egress/budget.h"
#include "server/relay_pipes.h"

#define COPY_SIZE (16 * 1024) /* one read where splice is not possible */
/* A direction that has used up its rate waits at least that long: the next turn then is worth it.
 */
#define PACE_MS   10

struct side {
    struct wr_relay *relay;
    int fd; /* owned */
    struct wr_source source;
    bool pair;
    bool readable; /* there may be something to read */
    bool broken;   /* reset by its peer; what it said before is still passed on, its end is not */
    bool hung_up;  /* left the loop, which would report that without end; its last bytes may still
                      be in the socket */
};

/* One direction: what the other side says, to `ways[i]`'s side i. */
struct way {
    struct wr_buf copied; /* goes first; the pipe is used only while this is empty */
    struct wr_relay_pipe pipe;
    size_t in_pipe; /* bytes */
    uint64_t moved; /* bytes written */
    uint64_t waits_since_ms;
    bool waiting;   /* bytes are there that the side did not take */
    bool throttled; /* until `pace` */
    bool ended;     /* the source sends no more */
    bool done;      /* the side was told so */
};

struct wr_relay {
    struct wr_loop *loop;
    struct wr_relay_opts opts;
    struct side sides[2];
    struct way ways[2];
    struct wr_timer pace;  /* of throttled directions; at once for a side that hung up */
    struct wr_timer stall; /* armed while bytes wait */
    struct wr_idle finish;
    int error;
    bool over;
};

static bool has_bytes(const struct way *way)
{
    return way->copied.len > 0 || way->in_pipe > 0;
}

static void close_sides(struct wr_relay *relay, bool reset)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};

    wr_timer_stop(&relay->pace);
    wr_timer_stop(&relay->stall);
    for (unsigned i = 0; i < 2; i++) {
        struct side *side = &relay->sides[i];
        struct way *way = &relay->ways[i];

        wr_source_remove(&side->source);
        /* On what is not TCP it does nothing, and the close without an end of the stream tells. */
        if (reset && side->fd >= 0)
            (void)setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        side->fd = wr_close(side->fd);
        wr_relay_pipe_done(&way->pipe, way->in_pipe == 0);
        wr_buf_done(&way->copied);
    }
}

static void on_finish(struct wr_idle *idle, void *data)
{
    struct wr_relay *relay = data;

    (void)idle;
    close_sides(relay, false);
    relay->opts.on_end(relay, relay->error, relay->opts.data);
}

/* A broken relay is closed at once. One that ended is closed when the other end of a socket pair
 * has had a round of the loop to see the end of the stream before the close. */
static void finish(struct wr_relay *relay, int error)
{
    relay->over = true;
    relay->error = error;
    wr_timer_stop(&relay->pace);
    wr_timer_stop(&relay->stall);
    for (unsigned i = 0; i < 2; i++)
        wr_source_remove(&relay->sides[i].source);
    if (error)
        close_sides(relay, true);
    wr_idle_queue(relay->loop, &relay->finish);
}

/* ---- one direction; functions return 0 or -errno when the connection is broken ---- */

static void count_moved(struct wr_relay *relay, struct way *way, size_t n)
{
    way->moved += n;
    way->waits_since_ms = wr_loop_now_ms(relay->loop);
}

static int write_copied(struct wr_relay *relay, struct way *way, int fd)
{
    while (way->copied.len > 0) {
        ssize_t n = send(fd, wr_buf_ptr(&way->copied), way->copied.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        wr_buf_consume(&way->copied, (size_t)n);
        count_moved(relay, way, (size_t)n);
    }
    return 0;
}

static int write_pipe(struct wr_relay *relay, struct way *way, int fd)
{
    while (way->in_pipe > 0) {
        /* Exactly what is there: the kernel would hold back the last packet when it expects more.
         */
        ssize_t n = splice(way->pipe.read_fd, NULL, fd, NULL, way->in_pipe,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        if (n == 0)
            return -EPIPE;
        way->in_pipe -= (size_t)n;
        count_moved(relay, way, (size_t)n);
    }
    return 0;
}

/* Writes what is there, and the end of the stream behind it. */
static int write_out(struct wr_relay *relay, unsigned to)
{
    struct way *way = &relay->ways[to];
    int fd = relay->sides[to].fd;
    int r = write_copied(relay, way, fd);

    if (r == 0 && way->copied.len == 0)
        r = write_pipe(relay, way, fd);
    if (r < 0)
        return r;
    bool waited = way->waiting;
    way->waiting = has_bytes(way);
    if (way->waiting) {
        if (!waited)
            way->waits_since_ms = wr_loop_now_ms(relay->loop);
        return 0;
    }
    if (way->ended && !way->done && !relay->sides[!to].broken) {
        way->done = true;
        /* A peer that is gone altogether needs no word. */
        if (shutdown(fd, SHUT_WR) < 0 && errno != ENOTCONN)
            return -errno;
    }
    return 0;
}

static void give_back(struct wr_relay *relay, size_t unused)
{
    if (relay->opts.budget && unused > 0)
        wr_net_budget_return(relay->opts.budget, unused);
}

/* What may be read now, at most `want`; 0: the direction waits for its rate. */
static size_t allowance(struct wr_relay *relay, struct way *way, size_t want, uint64_t *wait_ms)
{
    if (!relay->opts.budget)
        return want;
    size_t granted = wr_net_budget_bytes(relay->opts.budget, want, wr_mono_us(), wait_ms);
    way->throttled = granted == 0;
    return granted;
}

/* recv() gets past urgent data, in front of which splice() stays, and needs no pipe. */
static ssize_t read_copy(struct way *way, int fd, size_t want)
{
    want = WR_MIN(want, WR_MIN(wr_buf_room(&way->copied), (size_t)COPY_SIZE));
    char *into = wr_buf_reserve(&way->copied, want);
    if (!into)
        return -ENOMEM;
    ssize_t n = recv(fd, into, want, MSG_DONTWAIT);
    if (n < 0)
        return -errno;
    wr_buf_commit(&way->copied, (size_t)n);
    return n;
}

/* Bytes that were read, 0 at the end of the stream, or -errno. */
static ssize_t read_some(struct way *way, int fd, size_t want)
{
    if (way->pipe.read_fd < 0 && wr_relay_pipe_take(&way->pipe) < 0)
        return read_copy(way, fd, want);
    ssize_t n = splice(fd, NULL, way->pipe.write_fd, NULL, want, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0)
        return errno == EAGAIN ? read_copy(way, fd, want) : -errno;
    way->in_pipe = (size_t)n;
    return n;
}

static int pace(struct wr_relay *relay, uint64_t delay_ms);

/* One read for `ways[to]`, which is empty. Takes the bytes from `*left`. */
static int read_in(struct wr_relay *relay, unsigned to, size_t *left)
{
    struct way *way = &relay->ways[to];
    struct side *from = &relay->sides[!to];
    uint64_t wait_ms = 0;
    size_t want = allowance(relay, way, *left, &wait_ms);

    if (want == 0)
        return pace(relay, WR_MAX(wait_ms, (uint64_t)PACE_MS));
    ssize_t n = read_some(way, from->fd, want);
    give_back(relay, n > 0 ? want - (size_t)n : want);
    if (n == -EINTR)
        return 0;
    /* Behind a hang-up there is nothing to wait for. */
    if (n == -EAGAIN && from->hung_up)
        n = 0;
    if (n < 0 && n != -EAGAIN)
        return (int)n;
    way->ended = n == 0;
    /* What is left behind a short read is an event, except behind a hang-up. */
    from->readable = from->hung_up || n == (ssize_t)want;
    *left -= (size_t)WR_MAX(n, 0);
    return 0;
}

static bool can_read(const struct wr_relay *relay, unsigned to)
{
    const struct way *way = &relay->ways[to];

    return relay->sides[!to].readable && !way->ended && !way->throttled && !has_bytes(way);
}

/* A turn of one direction. */
static int carry(struct wr_relay *relay, unsigned to)
{
    struct way *way = &relay->ways[to];
    size_t left = WR_RELAY_TURN;
    int r = write_out(relay, to);

    while (r == 0 && left > 0 && can_read(relay, to)) {
        r = read_in(relay, to, &left);
        if (r == 0)
            r = write_out(relay, to);
    }
    if (r == 0 && way->in_pipe == 0)
        wr_relay_pipe_done(&way->pipe, true);
    if (r == 0 && way->copied.len == 0)
        wr_buf_trim(&way->copied, 0);
    /* No event tells of more behind a hang-up. */
    if (r == 0 && relay->sides[!to].hung_up && can_read(relay, to))
        r = pace(relay, 0);
    return r;
}

/* ---- the whole ---- */

static void on_stall(struct wr_timer *timer, void *data);

/* Watches over sides that do not take what waits for them. */
static int watch_stall(struct wr_relay *relay)
{
    struct wr_error error = {0};
    uint64_t now_ms = wr_loop_now_ms(relay->loop), oldest_ms = UINT64_MAX;

    if (relay->stall.loop)
        return 0;
    for (unsigned i = 0; i < 2; i++)
        if (relay->ways[i].waiting)
            oldest_ms = WR_MIN(oldest_ms, relay->ways[i].waits_since_ms);
    if (oldest_ms == UINT64_MAX)
        return 0;
    uint64_t waited_ms = now_ms - WR_MIN(oldest_ms, now_ms);
    if (waited_ms >= relay->opts.stall_ms)
        return -ETIMEDOUT;
    return wr_timer_start(relay->loop, &relay->stall, relay->opts.stall_ms - waited_ms, on_stall,
                          relay, &error) < 0
               ? -ENOMEM
               : 0;
}

static void on_stall(struct wr_timer *timer, void *data)
{
    struct wr_relay *relay = data;

    (void)timer;
    int r = watch_stall(relay);
    if (r < 0)
        finish(relay, -r);
}

/* Both directions have ended, or a side that is gone has nothing left to say. */
static bool is_over(const struct wr_relay *relay)
{
    const struct way *ways = relay->ways;

    return (ways[0].done || (relay->sides[0].hung_up && ways[1].done)) &&
           (ways[1].done || (relay->sides[1].hung_up && ways[0].done));
}

static void update_events(struct wr_relay *relay)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct way *in = &relay->ways[!i], *out = &relay->ways[i];
        uint32_t events = 0;

        if (relay->sides[i].hung_up)
            continue;
        if (!in->ended && !in->throttled && !has_bytes(in))
            events |= (uint32_t)EPOLLIN;
        if (out->waiting)
            events |= (uint32_t)EPOLLOUT;
        wr_source_set_events(&relay->sides[i].source, events);
    }
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;

    /* A read or write may have been told before. */
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error == 0)
        return -ECONNRESET;
    return -error;
}

/* Both sides are reset once all is passed on that a broken one has said. */
static int check_broken(const struct wr_relay *relay)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct way *way = &relay->ways[!i];
        if (relay->sides[i].broken && way->ended && !has_bytes(way))
            return socket_error(relay->sides[i].fd);
    }
    return 0;
}

/* A turn of both directions; `r` is the failure that is known already. */
static void run(struct wr_relay *relay, int r)
{
    for (unsigned i = 0; i < 2 && r == 0; i++)
        r = carry(relay, i);
    if (r == 0)
        r = check_broken(relay);
    if (r == 0)
        r = watch_stall(relay);
    if (r < 0)
        finish(relay, -r);
    else if (is_over(relay))
        finish(relay, 0);
    else
        update_events(relay);
}

static void on_pace(struct wr_timer *timer, void *data)
{
    struct wr_relay *relay = data;

    (void)timer;
    relay->ways[0].throttled = relay->ways[1].throttled = false;
    run(relay, 0);
}

static int pace(struct wr_relay *relay, uint64_t delay_ms)
{
    struct wr_error error = {0};

    return wr_timer_start(relay->loop, &relay->pace, delay_ms, on_pace, relay, &error) < 0 ? -ENOMEM
                                                                                           : 0;
}

static void on_side(struct wr_source *source, uint32_t events, void *data)
{
    struct side *side = data;
    struct wr_relay *relay = side->relay;
    unsigned i = (unsigned)(side - relay->sides);
    int r = 0;

    if (events & EPOLLIN)
        side->readable = true;
    if (events & (EPOLLHUP | EPOLLERR)) {
        wr_source_remove(source);
        side->hung_up = side->readable = true;
        side->broken = events & EPOLLERR;
        /* Neither has its stream ended nor ours to it: its owner has cut the connection. */
        if (side->pair && !relay->ways[!i].ended && !relay->ways[i].done)
            r = -ECONNRESET;
    }
    run(relay, r);
}

/* ---- public ---- */

static void take_opts(struct wr_relay *relay, const struct wr_relay_opts *opts)
{
    const int on = 1;

    for (unsigned i = 0; i < 2; i++) {
        struct side *side = &relay->sides[i];
        struct way *way = &relay->ways[i];
        uint64_t wait_ms = 0;

        side->relay = relay;
        side->fd = opts->fds[i];
        side->pair = opts->pair[i];
        way->pipe = (struct wr_relay_pipe){.read_fd = -1, .write_fd = -1};
        wr_buf_init(&way->copied, COPY_SIZE);
        /* Fails on what is not TCP, which has no such delay. */
        (void)setsockopt(side->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (!opts->first[i] || opts->first[i]->len == 0)
            continue;
        way->copied = *opts->first[i];
        way->copied.max = WR_MAX(way->copied.max, (size_t)COPY_SIZE);
        wr_buf_init(opts->first[i], opts->first[i]->max);
        way->waiting = true;
        way->waits_since_ms = wr_loop_now_ms(relay->loop);
        /* They count, but were let through already. */
        if (opts->budget)
            (void)wr_net_budget_bytes(opts->budget, way->copied.len, wr_mono_us(), &wait_ms);
    }
}

int wr_relay_start(struct wr_loop *loop, const struct wr_relay_opts *opts, struct wr_relay **ret,
                   struct wr_error *err)
{
    struct wr_relay *relay = wr_calloc(1, sizeof *relay);

    if (!relay) {
        (void)wr_close(opts->fds[0]);
        (void)wr_close(opts->fds[1]);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "carry bytes between two sockets");
    }
    wr_relay_pipes_hold();
    relay->loop = loop;
    relay->opts = *opts;
    relay->finish.fn = on_finish;
    relay->finish.data = relay;
    if (relay->opts.stall_ms == 0)
        relay->opts.stall_ms = WR_RELAY_STALL_MS;
    take_opts(relay, opts);
    int r = 0;
    for (unsigned i = 0; i < 2 && r == 0; i++)
        r = wr_source_add(loop, &relay->sides[i].source, relay->sides[i].fd,
                          EPOLLIN | (relay->ways[i].waiting ? EPOLLOUT : 0), on_side,
                          &relay->sides[i], err);
    if (r < 0) {
        close_sides(relay, true);
        wr_relay_free(relay);
        return r;
    }
    *ret = relay;
    return 0;
}

uint64_t wr_relay_bytes(const struct wr_relay *relay, unsigned index)
{
    return relay->ways[index].moved;
}

struct wr_relay *wr_relay_cut(struct wr_relay *relay)
{
    if (!relay)
        return NULL;
    wr_idle_cancel(&relay->finish);
    close_sides(relay, true);
    wr_relay_free(relay);
    return NULL;
}

void wr_relay_free(struct wr_relay *relay)
{
    wr_relay_pipes_put();
    free(relay);
}
