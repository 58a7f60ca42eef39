#include "cli/turns.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"

/* In front of each piece that is kept. */
struct piece {
    size_t len;
    bool to_err;
};

struct turn {
    struct wr_buf kept; /* struct piece, bytes, ... */
    bool open_line[2];  /* standard output, standard error */
    bool ended;
};

struct wr_turns {
    struct wr_turns_opts opts;
    struct turn *items;
    size_t current; /* count: all have ended */
    pthread_mutex_t lock;
    pthread_cond_t moved; /* `current` has changed */
    bool broken;
    int failure; /* errno that broke it */
    uint64_t first_us;
};

int wr_turns_new(const struct wr_turns_opts *opts, struct wr_turns **ret, struct wr_error *err)
{
    struct wr_turns *turns = wr_calloc(1, sizeof *turns);
    struct turn *items = wr_calloc(opts->count + 1, sizeof *items);

    if (!turns || !items) {
        free(turns);
        free(items);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "output");
    }
    for (size_t i = 0; i < opts->count; i++)
        wr_buf_init(&items[i].kept, opts->keep ? opts->keep : WR_TURNS_KEEP);
    turns->opts = *opts;
    turns->items = items;
    (void)pthread_mutex_init(&turns->lock, NULL);
    (void)pthread_cond_init(&turns->moved, NULL);
    *ret = turns;
    return 0;
}

struct wr_turns *wr_turns_free(struct wr_turns *turns)
{
    if (!turns)
        return NULL;
    for (size_t i = 0; i < turns->opts.count; i++)
        wr_buf_done(&turns->items[i].kept);
    (void)pthread_mutex_destroy(&turns->lock);
    (void)pthread_cond_destroy(&turns->moved);
    free(turns->items);
    free(turns);
    return NULL;
}

/* 0, or why it was given up: ECANCELED for the token. A pipe that is writable has room for PIPE_BUF
 * bytes, so that a token is seen while nobody reads. */
static int write_some(struct wr_turns *turns, int fd, const char *bytes, size_t len)
{
    struct pollfd fds[] = {
        {.fd = fd, .events = POLLOUT},
        {.fd = turns->opts.cancel ? wr_cancel_fd(turns->opts.cancel) : -1, .events = POLLIN}};

    while (len > 0) {
        if (poll(fds, WR_ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
            return errno;
        if (!fds[0].revents) {
            if (fds[1].revents)
                return ECANCELED;
            continue;
        }
        ssize_t n = write(fd, bytes, WR_MIN(len, (size_t)PIPE_BUF));
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return errno;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Called with the lock. */
static void write_now(struct wr_turns *turns, bool to_err, const void *bytes, size_t len)
{
    if (turns->broken || len == 0)
        return;
    if (turns->first_us == 0)
        turns->first_us = wr_mono_us();
    int failure = write_some(turns, to_err ? turns->opts.err_fd : turns->opts.out_fd, bytes, len);
    if (failure == 0)
        return;
    turns->broken = true;
    if (turns->opts.cancel && wr_cancel_fired(turns->opts.cancel))
        return;
    turns->failure = failure;
    if (turns->opts.on_broken)
        turns->opts.on_broken(turns->opts.data);
}

static void write_kept(struct wr_turns *turns, struct turn *turn)
{
    struct piece piece;

    while (turn->kept.len > 0) {
        memcpy(&piece, wr_buf_ptr(&turn->kept), sizeof piece);
        wr_buf_consume(&turn->kept, sizeof piece);
        write_now(turns, piece.to_err, wr_buf_ptr(&turn->kept), piece.len);
        wr_buf_consume(&turn->kept, piece.len);
    }
    wr_buf_done(&turn->kept);
}

static bool keep(struct turn *turn, bool to_err, const void *bytes, size_t len)
{
    const struct piece piece = {.len = len, .to_err = to_err};

    if (wr_buf_room(&turn->kept) < sizeof piece + len ||
        wr_buf_append(&turn->kept, &piece, sizeof piece) < 0)
        return false;
    if (wr_buf_append(&turn->kept, bytes, len) == 0)
        return true;
    turn->kept.len -= sizeof piece;
    return false;
}

int wr_turns_write(struct wr_turns *turns, size_t number, bool to_err, const void *bytes,
                   size_t len)
{
    struct turn *turn = &turns->items[number];

    if (len == 0)
        return 0;
    (void)pthread_mutex_lock(&turns->lock);
    turn->open_line[to_err] = ((const char *)bytes)[len - 1] != '\n';
    /* Those before it end without it, so its turn comes. */
    while (turns->current < number && !turns->broken && !keep(turn, to_err, bytes, len))
        (void)pthread_cond_wait(&turns->moved, &turns->lock);
    if (turns->current >= number)
        write_now(turns, to_err, bytes, len);
    int r = turns->broken ? -1 : 0;
    (void)pthread_mutex_unlock(&turns->lock);
    return r;
}

void wr_turns_end_line(struct wr_turns *turns, size_t number)
{
    for (int stream = 0; stream < 2; stream++)
        if (turns->items[number].open_line[stream])
            (void)wr_turns_write(turns, number, stream == 1, "\n", 1);
}

void wr_turns_end(struct wr_turns *turns, size_t number)
{
    (void)pthread_mutex_lock(&turns->lock);
    turns->items[number].ended = true;
    while (turns->current < turns->opts.count && turns->items[turns->current].ended) {
        turns->current++;
        if (turns->current < turns->opts.count)
            write_kept(turns, &turns->items[turns->current]);
    }
    (void)pthread_cond_broadcast(&turns->moved);
    (void)pthread_mutex_unlock(&turns->lock);
}

uint64_t wr_turns_first_output_us(struct wr_turns *turns)
{
    (void)pthread_mutex_lock(&turns->lock);
    uint64_t first_us = turns->first_us;
    (void)pthread_mutex_unlock(&turns->lock);
    return first_us;
}

int wr_turns_check(struct wr_turns *turns, struct wr_error *err)
{
    (void)pthread_mutex_lock(&turns->lock);
    int failure = turns->failure;
    (void)pthread_mutex_unlock(&turns->lock);
    return failure == 0 || failure == EPIPE
               ? 0
               : wr_fail(err, WR_E_UNKNOWN, failure, "write to standard output");
}
