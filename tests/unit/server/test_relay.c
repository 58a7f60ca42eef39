/* A relay between two pairs of sockets; the test has the outer ends, on the same loop. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "server/egress/budget.h"
#include "server/relay.h"
#include "server/relay_pipes.h"
#include "test.h"

#define LARGE      ((size_t)12 * 1024 * 1024)
#define MAX_ROUNDS 2000000

enum { LEFT = 0, RIGHT = 1 };

static struct bench {
    struct wr_loop *loop;
    struct wr_relay *relay; /* NULL once it has ended */
    int ends[2];            /* outer: the client's, the service's */
    int error;
    unsigned calls;
} b;

/* A byte of a stream that tells where it was lost, doubled or moved. */
static unsigned char byte_at(unsigned stream, size_t at)
{
    return (unsigned char)((at * 2654435761u >> 13) + at + stream * 77);
}

static void tcp_pair(int pair[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(pair[0], (struct sockaddr *)&address, sizeof address) == 0);
    pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(pair[1] >= 0);
    close(listener);
}

static void unix_pair(int pair[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
}

static void on_end(struct wr_relay *relay, int error, void *data)
{
    CHECK(data == &b && relay == b.relay);
    b.error = error;
    b.calls++;
    b.relay = NULL;
    wr_relay_free(relay);
}

struct opts {
    bool unix_left, unix_right, pair_left, pair_right;
    const char *first[2];
    struct wr_net_budget *budget;
    uint64_t stall_ms;
    int small_buffers; /* of the sockets towards the outer ends; 0: the kernel's */
};

static void shrink(int fd, int size)
{
    CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
}

static void start(const struct opts *opts)
{
    struct wr_error err = {0};
    struct wr_buf first[2] = {WR_BUF(64), WR_BUF(64)};
    int left[2], right[2];

    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    b = (struct bench){.error = -1};
    CHECK_INT(wr_loop_new(&b.loop, &err), 0);
    (opts->unix_left ? unix_pair : tcp_pair)(left);
    (opts->unix_right ? unix_pair : tcp_pair)(right);
    struct wr_relay_opts relay = {
        .fds = {left[1], right[1]},
        .budget = opts->budget,
        .pair = {opts->pair_left, opts->pair_right},
        .stall_ms = opts->stall_ms,
        .on_end = on_end,
        .data = &b,
    };
    for (unsigned i = 0; i < 2; i++) {
        b.ends[i] = i == LEFT ? left[0] : right[0];
        CHECK_INT(wr_fd_set_nonblock(b.ends[i], true), 0);
        CHECK_INT(wr_fd_set_nonblock(relay.fds[i], true), 0);
        if (opts->small_buffers) {
            shrink(relay.fds[i], opts->small_buffers);
            shrink(b.ends[i], opts->small_buffers);
        }
        if (!opts->first[i])
            continue;
        CHECK_INT(wr_buf_append_str(&first[i], opts->first[i]), 0);
        relay.first[i] = &first[i];
    }
    CHECK_INT(wr_relay_start(b.loop, &relay, &b.relay, &err), 0);
    CHECK(first[0].len == 0 && first[1].len == 0);
}

static void step(int timeout_ms)
{
    struct wr_error err = {0};

    CHECK_INT(wr_loop_step(b.loop, timeout_ms, &err), 0);
}

static void settle(void)
{
    for (unsigned i = 0; i < 20; i++)
        step(1);
}

static void wait_end(void)
{
    for (unsigned i = 0; i < 2000 && b.calls == 0; i++)
        step(10);
    CHECK_INT(b.calls, 1);
}

/* The outer ends, the loop, and every descriptor that was opened. */
static void stop(void)
{
    b.relay = wr_relay_cut(b.relay);
    for (unsigned i = 0; i < 2; i++)
        b.ends[i] = wr_close(b.ends[i]);
    b.loop = wr_loop_free(b.loop);
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(next >= 0 && next < 6); /* nothing was left open */
    close(next);
}

/* The whole of what an end reads until its stream ends; -errno when it was cut. */
static ssize_t read_all(unsigned end, char *out, size_t cap)
{
    size_t len = 0;

    for (unsigned i = 0; i < 3000; i++) {
        ssize_t n = recv(b.ends[end], out + len, cap - 1 - len, 0);
        if (n == 0) {
            out[len] = '\0';
            return (ssize_t)len;
        }
        if (n < 0 && errno != EAGAIN)
            return -errno;
        len += n > 0 ? (size_t)n : 0;
        step(1);
    }
    return -ETIMEDOUT;
}

static void say(unsigned end, const char *text)
{
    CHECK_INT(send(b.ends[end], text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Checks that the next bytes at that end are exactly those. */
static void expect(unsigned end, const char *text)
{
    char got[256];
    size_t len = 0, want = strlen(text);

    for (unsigned i = 0; i < 3000 && len < want; i++) {
        ssize_t n = recv(b.ends[end], got + len, want - len, 0);
        CHECK(n != 0 && (n > 0 || errno == EAGAIN));
        len += n > 0 ? (size_t)n : 0;
        step(1);
    }
    CHECK(len == want && memcmp(got, text, want) == 0);
}

/* ---- streams of checked bytes ---- */

struct stream {
    unsigned from;
    size_t len, sent, got;
    bool closed, ended;
    unsigned pause; /* the reader reads only every so many rounds, 1000 bytes */
};

static void pump_out(struct stream *s)
{
    static unsigned char piece[70000];
    size_t n = WR_MIN(s->len - s->sent, s->pause ? (size_t)16000 : sizeof piece);

    for (size_t i = 0; i < n; i++)
        piece[i] = byte_at(s->from, s->sent + i);
    ssize_t done = n ? send(b.ends[s->from], piece, n, MSG_NOSIGNAL) : 0;
    CHECK(done >= 0 || errno == EAGAIN);
    s->sent += done > 0 ? (size_t)done : 0;
    if (s->sent == s->len && !s->closed) {
        s->closed = true;
        CHECK_INT(shutdown(b.ends[s->from], SHUT_WR), 0);
    }
}

static void pump_in(struct stream *s, unsigned round)
{
    static unsigned char piece[70000];

    if (s->ended || (s->pause && round % s->pause))
        return;
    ssize_t n = recv(b.ends[!s->from], piece, s->pause ? 30000 : sizeof piece, 0);
    CHECK(n >= 0 || errno == EAGAIN);
    s->ended = n == 0;
    for (ssize_t i = 0; i < n; i++)
        CHECK(piece[i] == byte_at(s->from, s->got + (size_t)i));
    s->got += n > 0 ? (size_t)n : 0;
}

static void run_streams(struct stream *streams, unsigned count)
{
    bool all = false;

    for (unsigned round = 1; !all && round < MAX_ROUNDS; round++) {
        all = true;
        for (unsigned i = 0; i < count; i++) {
            pump_out(&streams[i]);
            pump_in(&streams[i], round);
            all = all && streams[i].ended;
        }
        step(streams[0].pause ? 1 : 0);
    }
    for (unsigned i = 0; i < count; i++)
        CHECK_INT(streams[i].got, streams[i].len);
}

static void check_both_ways(const struct opts *opts, size_t len)
{
    struct stream streams[] = {{.from = LEFT, .len = len}, {.from = RIGHT, .len = len + 12345}};

    start(opts);
    struct wr_relay *relay = b.relay;
    while (streams[0].got < 1000)
        run_streams(streams, 0), pump_out(&streams[0]), step(1), pump_in(&streams[0], 1);
    CHECK(wr_relay_bytes(relay, RIGHT) >= 1000);
    CHECK_INT(wr_relay_bytes(relay, LEFT), 0);
    run_streams(streams, 2);
    wait_end();
    CHECK_INT(b.error, 0);
    stop();
}

TEST(carries_both_ways_over_tcp)
{
    check_both_ways(&(struct opts){0}, LARGE);
}

TEST(carries_both_ways_over_socket_pairs)
{
    check_both_ways(&(struct opts){.unix_left = true, .unix_right = true}, LARGE);
}

TEST(carries_between_tcp_and_a_socket_pair)
{
    check_both_ways(&(struct opts){.unix_right = true, .pair_right = true}, LARGE);
}

TEST(a_slow_reader_stops_its_source_and_loses_nothing)
{
    struct stream streams[] = {{.from = LEFT, .len = LARGE / 6, .pause = 3}};

    start(&(struct opts){.small_buffers = 65536});
    /* Nobody reads: the source fills the sockets and one pipe, and then has to wait. */
    size_t before = 1;
    for (unsigned i = 0; i < 1000 && streams[0].sent != before; i++) {
        before = streams[0].sent;
        pump_out(&streams[0]);
        settle();
    }
    CHECK(streams[0].sent < streams[0].len);
    run_streams(streams, 1);
    stop();
}

/* ---- the end ---- */

static void check_half_close(unsigned first, const struct opts *opts)
{
    char text[64];

    start(opts);
    say(first, "question");
    CHECK_INT(shutdown(b.ends[first], SHUT_WR), 0);
    CHECK_INT(read_all(!first, text, sizeof text), 8);
    CHECK_STR(text, "question");
    settle();
    CHECK(b.relay);
    say(!first, "answer");
    expect(first, "answer");
    say(!first, ", more");
    CHECK_INT(shutdown(b.ends[!first], SHUT_WR), 0);
    CHECK_INT(read_all(first, text, sizeof text), 6);
    CHECK_STR(text, ", more");
    wait_end();
    CHECK_INT(b.error, 0);
    stop();
}

TEST(a_half_close_is_passed_on_and_the_other_way_goes_on)
{
    const struct opts all[] = {{0}, {.unix_left = true}, {.unix_right = true, .pair_right = true}};

    for (unsigned i = 0; i < 3; i++) {
        check_half_close(LEFT, &all[i]);
        check_half_close(RIGHT, &all[i]);
    }
}

TEST(the_close_of_a_unix_socket_is_a_clean_end_with_its_last_bytes)
{
    char text[64];

    start(&(struct opts){.unix_left = true});
    say(LEFT, "bye");
    b.ends[LEFT] = wr_close(b.ends[LEFT]);
    CHECK_INT(read_all(RIGHT, text, sizeof text), 3);
    wait_end();
    CHECK_INT(b.error, 0);
    stop();
}

TEST(the_close_of_a_pair_is_a_cut)
{
    char text[64];

    start(&(struct opts){.unix_left = true, .pair_left = true});
    say(LEFT, "half a mess");
    expect(RIGHT, "half a mess");
    b.ends[LEFT] = wr_close(b.ends[LEFT]);
    CHECK_INT(read_all(RIGHT, text, sizeof text), -ECONNRESET);
    wait_end();
    CHECK_INT(b.error, ECONNRESET);
    stop();
}

TEST(a_pair_that_ended_its_stream_may_close_later)
{
    char text[64];

    start(&(struct opts){.unix_left = true, .pair_left = true});
    say(LEFT, "whole");
    CHECK_INT(shutdown(b.ends[LEFT], SHUT_WR), 0);
    CHECK_INT(read_all(RIGHT, text, sizeof text), 5);
    b.ends[LEFT] = wr_close(b.ends[LEFT]);
    wait_end();
    CHECK_INT(b.error, 0);
    stop();
}

/* What tls/session.c goes by: a readable end of the stream without a hang-up, then the close. */
TEST(a_pair_sees_the_end_of_the_stream_before_the_close)
{
    char c;

    start(&(struct opts){.unix_left = true, .pair_left = true});
    CHECK_INT(shutdown(b.ends[LEFT], SHUT_WR), 0);
    settle();
    CHECK_INT(shutdown(b.ends[RIGHT], SHUT_WR), 0);
    for (unsigned i = 0; i < 100 && recv(b.ends[LEFT], &c, 1, 0) != 0; i++)
        step(1);
    CHECK_INT(b.calls, 0);
    wait_end();
    stop();
}

static void reset(unsigned end)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};

    CHECK(setsockopt(b.ends[end], SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    b.ends[end] = wr_close(b.ends[end]);
}

TEST(a_reset_reaches_the_other_side_behind_the_last_bytes)
{
    char text[64];

    for (unsigned end = 0; end < 2; end++) {
        start(&(struct opts){0});
        say(end, "last");
        settle();
        reset(end);
        wait_end();
        CHECK_INT(b.error, ECONNRESET);
        CHECK_INT(recv(b.ends[!end], text, 4, 0), 4);
        CHECK_INT(recv(b.ends[!end], text, 4, 0), -1);
        CHECK_INT(errno, ECONNRESET);
        stop();
    }
}

TEST(a_reset_behind_an_end_of_the_stream_is_noticed)
{
    char text[64];

    start(&(struct opts){0});
    CHECK_INT(shutdown(b.ends[LEFT], SHUT_WR), 0);
    CHECK_INT(read_all(RIGHT, text, sizeof text), 0);
    reset(LEFT);
    wait_end();
    CHECK(b.error == EPIPE || b.error == ECONNRESET);
    CHECK_INT(send(b.ends[RIGHT], "x", 1, MSG_NOSIGNAL), -1);
    stop();
}

TEST(a_cut_resets_both_sides_in_every_state)
{
    char text[64];

    for (unsigned state = 0; state < 5; state++) {
        start(&(struct opts){.small_buffers = state == 3 ? 8192 : 0});
        struct stream stream = {.from = LEFT, .len = LARGE};
        if (state == 1)
            settle();
        if (state == 2) {
            say(LEFT, "x");
            expect(RIGHT, "x");
        }
        for (unsigned i = 0; state == 3 && i < 300; i++) {
            pump_out(&stream);
            step(0);
        }
        if (state == 4) {
            CHECK_INT(shutdown(b.ends[LEFT], SHUT_WR), 0);
            CHECK_INT(read_all(RIGHT, text, sizeof text), 0);
        }
        b.relay = wr_relay_cut(b.relay);
        settle();
        CHECK_INT(b.calls, 0);
        CHECK_INT(recv(b.ends[LEFT], text, 1, 0), -1);
        CHECK_INT(errno, ECONNRESET);
        stop();
    }
}

TEST(a_cut_between_the_end_and_its_call_is_without_the_call)
{
    start(&(struct opts){0});
    CHECK_INT(shutdown(b.ends[LEFT], SHUT_WR), 0);
    CHECK_INT(shutdown(b.ends[RIGHT], SHUT_WR), 0);
    char c;
    for (unsigned i = 0; i < 100 && recv(b.ends[LEFT], &c, 1, 0) != 0; i++)
        step(1);
    b.relay = wr_relay_cut(b.relay);
    settle();
    CHECK_INT(b.calls, 0);
    stop();
}

TEST(a_side_that_takes_nothing_is_cut)
{
    start(&(struct opts){.stall_ms = 80, .small_buffers = 8192});
    for (unsigned i = 0; i < 5000 && b.calls == 0; i++) {
        if (b.relay)
            (void)!send(b.ends[LEFT], "0123456789012345678901234567890123456789", 40, MSG_NOSIGNAL);
        step(i % 50 == 0 ? 10 : 0);
    }
    wait_end();
    CHECK_INT(b.error, ETIMEDOUT);
    stop();
}

TEST(a_silent_relay_is_not_cut)
{
    start(&(struct opts){.stall_ms = 30});
    say(LEFT, "hello");
    expect(RIGHT, "hello");
    uint64_t end_ms = wr_mono_ms() + 150;
    while (wr_mono_ms() < end_ms)
        step(20);
    CHECK(b.relay);
    say(RIGHT, "still here");
    expect(LEFT, "still here");
    stop();
}

/* ---- first bytes, rates, descriptors, urgent data ---- */

TEST(first_bytes_come_first)
{
    start(&(struct opts){.first = {"to the left ", "to the right "}});
    say(LEFT, "and more");
    say(RIGHT, "and so on");
    expect(RIGHT, "to the right and more");
    expect(LEFT, "to the left and so on");
    CHECK_INT(wr_relay_bytes(b.relay, LEFT), 21);
    CHECK_INT(wr_relay_bytes(b.relay, RIGHT), 21);
    stop();
}

TEST(first_bytes_may_be_all)
{
    char text[64];

    start(&(struct opts){.first = {NULL, "all"}});
    CHECK_INT(shutdown(b.ends[LEFT], SHUT_WR), 0);
    CHECK_INT(read_all(RIGHT, text, sizeof text), 3);
    CHECK_STR(text, "all");
    stop();
}

TEST(both_directions_together_keep_to_the_rate)
{
    const struct wr_net_limits limits = {.bytes_per_s = 4000000};
    struct wr_net_budget budget;
    struct stream streams[] = {{.from = LEFT, .len = 1500000}, {.from = RIGHT, .len = 1500000}};

    uint64_t began_us = wr_mono_us();
    wr_net_budget_init(&budget, &limits, began_us);
    start(&(struct opts){.budget = &budget, .unix_right = true});
    bool all = false;
    for (unsigned round = 1; !all && round < MAX_ROUNDS; round++) {
        for (unsigned i = 0; i < 2; i++) {
            pump_out(&streams[i]);
            pump_in(&streams[i], round);
        }
        all = streams[0].ended && streams[1].ended;
        step(5);
    }
    /* A quarter of a second's bytes are there from the beginning. */
    uint64_t passed_us = wr_mono_us() - began_us;
    CHECK_INT(streams[0].got + streams[1].got, 3000000);
    CHECK(passed_us >= (3000000 - 1000000) / 4);
    wait_end();
    CHECK_INT(b.error, 0);
    stop();
}

TEST(what_was_not_moved_is_given_back_to_the_rate)
{
    const struct wr_net_limits limits = {.bytes_per_s = 65536};
    struct wr_net_budget budget;
    uint64_t wait_ms = 0;

    wr_net_budget_init(&budget, &limits, wr_mono_us());
    start(&(struct opts){.budget = &budget});
    for (unsigned i = 0; i < 20; i++) {
        say(LEFT, "x");
        expect(RIGHT, "x");
    }
    CHECK(wr_net_budget_bytes(&budget, 65000, wr_mono_us(), &wait_ms) > 64000);
    stop();
}

TEST(without_descriptors_bytes_are_copied)
{
    struct rlimit old, none;
    struct stream streams[] = {{.from = LEFT, .len = LARGE / 8}, {.from = RIGHT, .len = 100000}};

    start(&(struct opts){0});
    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    none = old;
    none.rlim_cur = (rlim_t)b.ends[RIGHT] + 2; /* above all that are open */
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    int used[16];
    unsigned count = 0;
    while (count < 16 && (used[count] = dup(b.ends[LEFT])) >= 0)
        count++;
    CHECK(count < 16);
    run_streams(streams, 2);
    wait_end();
    CHECK_INT(b.error, 0);
    while (count > 0)
        close(used[--count]);
    CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
    stop();
}

/* splice() does not get past a byte of urgent data, and says "again" although there is more. */
TEST(urgent_data_does_not_hold_up_the_rest)
{
    start(&(struct opts){0});
    say(LEFT, "one");
    CHECK_INT(send(b.ends[LEFT], "!", 1, MSG_OOB), 1);
    say(LEFT, "two");
    expect(RIGHT, "onetwo");
    CHECK_INT(send(b.ends[LEFT], "!", 1, MSG_OOB), 1);
    settle();
    /* Nothing is left over that would keep the loop busy. */
    uint64_t before_us = wr_mono_us();
    step(50);
    CHECK(wr_mono_us() - before_us > 30000);
    stop();
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 64; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

TEST(a_silent_relay_holds_no_pipe)
{
    struct wr_relay_pipe pipe;

    start(&(struct opts){0});
    unsigned before = open_descriptors();
    say(LEFT, "x");
    expect(RIGHT, "x");
    /* The one that was used. */
    CHECK_INT(open_descriptors(), before + 2);
    CHECK_INT(wr_relay_pipe_take(&pipe), 0);
    CHECK_INT(open_descriptors(), before + 2);
    wr_relay_pipe_done(&pipe, true);
    CHECK_INT(pipe.read_fd, -1);
    stop();
}

TEST(a_pipe_with_bytes_is_not_used_again)
{
    struct wr_relay_pipe pipe, next;
    char c;

    wr_relay_pipes_hold();
    CHECK_INT(wr_relay_pipe_take(&pipe), 0);
    CHECK_INT(write(pipe.write_fd, "x", 1), 1);
    wr_relay_pipe_done(&pipe, false);
    CHECK_INT(wr_relay_pipe_take(&next), 0);
    CHECK_INT(read(next.read_fd, &c, 1), -1);
    wr_relay_pipe_done(&next, true);
    wr_relay_pipes_put();
}

TEST(a_start_that_fails_closes_both)
{
    struct wr_error err = {0};
    struct wr_relay *relay = NULL;
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC), pair[2];
    char c;

    unix_pair(pair);
    CHECK_INT(wr_loop_new(&b.loop, &err), 0);
    struct wr_relay_opts opts = {.fds = {pair[1], file}, .on_end = on_end};
    CHECK(wr_relay_start(b.loop, &opts, &relay, &err) < 0);
    CHECK(!relay && err.code);
    CHECK_INT(recv(pair[0], &c, 1, 0), 0);
    CHECK_INT(fcntl(file, F_GETFD), -1);
    close(pair[0]);
    wr_loop_free(b.loop);
}
