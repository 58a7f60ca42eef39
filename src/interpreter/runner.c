#include "interpreter/runner.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/exec/spawn.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "interpreter/channels.h"
#include "interpreter/frame.h"
#include "interpreter/frame_writer.h"
#include "interpreter/limits.h"
#include "interpreter/payload.h"

#define IN_MAX      (WR_FRAME_HEADER + WR_RUNNER_TEXT + WR_RUNNER_READ)
/* Reads of the socket before a pipe is read, or after the process has ended: more than a socket
 * holds. */
#define FRAME_READS 16
#define OUT_MAX     (WR_FRAME_HEADER + (size_t)WR_FRAME_MAX + (size_t)8 * 1024 * 1024)

static void on_socket(struct wr_source *source, uint32_t events, void *data);
static void on_timer(struct wr_timer *timer, void *data);

static void close_all(struct wr_runner *runner)
{
    runner->start = wr_start_cancel(runner->start);
    wr_timer_stop(&runner->timer);
    wr_timer_stop(&runner->resume);
    wr_source_remove(&runner->source);
    runner->fd = wr_close(runner->fd);
    for (size_t i = 0; i < WR_ARRAY_SIZE(runner->pipes); i++)
        wr_pipe_reader_close(&runner->pipes[i]);
    wr_buf_done(&runner->in);
    wr_buf_done(&runner->out);
    wr_buf_done(&runner->complaint);
}

static void signal_group(const struct wr_runner *runner, int signo)
{
    if (runner->pid > 1)
        (void)kill(-runner->pid, signo);
}

struct wr_runner *wr_runner_free(struct wr_runner *runner)
{
    if (!runner)
        return NULL;
    if (runner->fd >= 0)
        signal_group(runner, SIGKILL);
    close_all(runner);
    free(runner);
    return NULL;
}

/* Always the last thing that a function of this file does: the owner may free the runner. */
static void gone(struct wr_runner *runner, const struct wr_error *why)
{
    struct wr_error reason = why ? *why : (struct wr_error){0};

    close_all(runner);
    runner->ops->gone(runner->owner, &reason);
}

/* It did what no runner does. */
static void broken(struct wr_runner *runner, const struct wr_error *why)
{
    signal_group(runner, SIGKILL);
    gone(runner, why);
}

static bool in_cell(const struct wr_runner *runner)
{
    return runner->state == WR_RUNNER_BUSY || runner->state == WR_RUNNER_DRAINING;
}

static void arm(struct wr_runner *runner, uint64_t delay_ms)
{
    struct wr_error err;

    /* It has its place in the heap since the start, so this does not fail. */
    (void)!wr_timer_start(runner->loop, &runner->timer, delay_ms, on_timer, runner, &err);
}

static void on_pipe(struct wr_pipe_reader *reader, const char *data, size_t len, void *owner)
{
    struct wr_runner *runner = owner;

    if (in_cell(runner)) {
        if (!runner->silent)
            runner->ops->text(runner->owner, reader->stream, data, len);
    } else if (runner->state == WR_RUNNER_STARTING && reader->stream == WR_STREAM_STDERR) {
        (void)!wr_buf_append(&runner->complaint, data,
                             WR_MIN(len, wr_buf_room(&runner->complaint)));
    }
}

/* Writes what the socket takes. A socket that is broken shows by its end of file. */
static void flush(struct wr_runner *runner)
{
    while (runner->out.len > 0) {
        ssize_t n = send(runner->fd, wr_buf_ptr(&runner->out), runner->out.len,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            wr_buf_clear(&runner->out);
        if (n <= 0)
            break;
        wr_buf_consume(&runner->out, (size_t)n);
    }
    if (runner->out.len == 0)
        wr_buf_trim(&runner->out, WR_RUNNER_READ);
    if (runner->source.loop)
        wr_source_set_events(&runner->source,
                             (uint32_t)EPOLLIN | (runner->out.len > 0 ? (uint32_t)EPOLLOUT : 0u));
}

static int out_of_order(struct wr_error *err, uint8_t kind)
{
    return wr_fail(err, WR_E_INTERNAL, 0, "the runner sent a frame '%c' out of order and was ended",
                   kind);
}

/* Signals go to that group with root's rights: it has to be one, and our own child's when there is
 * one. A fork of the zygote is told by its word alone, which must not hit another user's. */
static bool leads_group(const struct wr_runner *runner, pid_t pid)
{
    char path[32];
    struct stat st;

    if (getpgid(pid) != pid)
        return false;
    if (runner->pid > 0)
        return pid == runner->pid;
    return wr_strformat(path, sizeof(path), "/proc/%d", pid) && stat(path, &st) == 0 &&
           st.st_uid == runner->uid;
}

static int on_ready(struct wr_runner *runner, const struct wr_frame_piece *piece,
                    struct wr_error *err)
{
    int64_t pid = 0;

    if (runner->state == WR_RUNNER_STARTING) {
        int rc = wr_payload_number(piece, "pid", 2, INT32_MAX, &pid, err);
        if (rc < 0)
            return rc;
        if (!leads_group(runner, (pid_t)pid))
            return wr_fail(
                err, WR_E_INTERNAL, 0,
                "the runner's READY names process %d, which leads no group of its own or is another user's",
                (int)pid);
        runner->pid = (pid_t)pid;
        if (runner->forked)
            wr_spawn_oom_victim(runner->pid);
    } else if (runner->state != WR_RUNNER_ASSIGNING) {
        return out_of_order(err, piece->kind);
    }
    runner->was_ready = true;
    runner->state = WR_RUNNER_IDLE;
    wr_timer_stop(&runner->timer);
    wr_buf_done(&runner->complaint);
    runner->ops->ready(runner->owner);
    return 0;
}

static int on_count(struct wr_runner *runner, const struct wr_frame_piece *piece,
                    struct wr_error *err)
{
    int64_t count = 0;

    if (runner->state != WR_RUNNER_BUSY || runner->began || runner->silent)
        return out_of_order(err, piece->kind);
    int rc = wr_payload_number(piece, "execution_count", 0, INT64_MAX, &count, err);
    if (rc < 0)
        return rc;
    runner->began = true;
    runner->ops->count(runner->owner, (uint64_t)count);
    if (runner->interrupt)
        signal_group(runner, SIGINT);
    runner->interrupt = false;
    return 0;
}

static int on_done(struct wr_runner *runner, const struct wr_frame_piece *piece,
                   struct wr_error *err)
{
    if (runner->state != WR_RUNNER_BUSY)
        return out_of_order(err, piece->kind);
    runner->state = WR_RUNNER_DRAINING;
    runner->interrupt = false;
    for (size_t i = 0; i < WR_ARRAY_SIZE(runner->pipes); i++)
        wr_pipe_reader_mark(&runner->pipes[i]);
    return 0;
}

static int on_renewed(struct wr_runner *runner, const struct wr_frame_piece *piece,
                      struct wr_error *err)
{
    if (runner->renew_open == 0)
        return out_of_order(err, piece->kind);
    if (--runner->renew_open == 0)
        runner->ops->renewed(runner->owner);
    return 0;
}

static int on_piece(struct wr_runner *runner, const struct wr_frame_piece *piece,
                    struct wr_error *err)
{
    switch (piece->kind) {
    case WR_FRAME_READY:
        return on_ready(runner, piece, err);
    case WR_FRAME_COUNT:
        return on_count(runner, piece, err);
    case WR_FRAME_DONE:
        return on_done(runner, piece, err);
    case WR_FRAME_RENEWED:
        return on_renewed(runner, piece, err);
    case WR_FRAME_STDOUT:
    case WR_FRAME_STDERR:
        if (runner->state == WR_RUNNER_BUSY && !runner->silent)
            runner->ops->text(runner->owner,
                              piece->kind == WR_FRAME_STDOUT ? WR_STREAM_STDOUT : WR_STREAM_STDERR,
                              piece->data, piece->len);
        return 0;
    default: /* LINE: the decoder knows no other */
        if (runner->state == WR_RUNNER_BUSY)
            runner->ops->line(runner->owner, piece);
        return 0;
    }
}

/* Gives out what the pipes still hold of a cell that has ended. False when it has to wait. */
static bool drain(struct wr_runner *runner)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(runner->pipes); i++) {
        while (runner->pipes[i].left > 0 && !runner->paused)
            (void)wr_pipe_reader_read(&runner->pipes[i]);
        if (runner->paused)
            return false;
        wr_pipe_reader_flush(&runner->pipes[i]);
    }
    runner->state = WR_RUNNER_IDLE;
    wr_timer_stop(&runner->timer);
    runner->ops->done(runner->owner);
    return true;
}

/* While a line is given out in pieces nothing may come between them, so the pipes wait. */
static bool inside_line(const struct wr_runner *runner)
{
    return runner->decoder.kind != 0;
}

static int update_pipes(struct wr_runner *runner, struct wr_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(runner->pipes) && rc == 0; i++)
        rc = wr_pipe_reader_pause(&runner->pipes[i], runner->paused || inside_line(runner), err);
    return rc;
}

/* Handles what was read. False when the runner is gone. */
static bool pump(struct wr_runner *runner)
{
    struct wr_error err = {0};

    while (!runner->paused && runner->state != WR_RUNNER_ENDING) {
        struct wr_frame_piece piece = {0};
        if (runner->state == WR_RUNNER_DRAINING) {
            if (!drain(runner))
                break;
            continue;
        }
        ssize_t n = wr_frame_decode(&runner->decoder, wr_buf_ptr(&runner->in), runner->in.len,
                                    &piece, &err);
        if (n == 0)
            break;
        int rc = n < 0 ? (int)n : on_piece(runner, &piece, &err);
        if (rc < 0) {
            broken(runner, &err);
            return false;
        }
        wr_buf_consume(&runner->in, (size_t)n);
    }
    if (runner->state == WR_RUNNER_ENDING)
        wr_buf_clear(&runner->in);
    wr_buf_trim(&runner->in, 0);
    if (update_pipes(runner, &err) < 0)
        wr_runner_end(runner); /* without memory for epoll it cannot go on */
    return true;
}

/* What is in the pipes now. */
static void read_pipes(struct wr_runner *runner)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(runner->pipes) && !inside_line(runner); i++) {
        wr_pipe_reader_mark(&runner->pipes[i]);
        while (runner->pipes[i].left > 0 && !runner->paused)
            (void)wr_pipe_reader_read(&runner->pipes[i]);
    }
}

/* Reads once. 1: something; 0: nothing now; -1: the end. */
static int fill(struct wr_runner *runner)
{
    char *to = wr_buf_reserve(&runner->in, WR_RUNNER_READ);

    if (!to)
        return 0; /* the bytes stay in the socket until there is memory again */
    ssize_t n = recv(runner->fd, to, WR_RUNNER_READ, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -1;
    wr_buf_commit(&runner->in, (size_t)n);
    return 1;
}

/* The end of its stream, or of its process. */
static void ended(struct wr_runner *runner)
{
    struct wr_error err = {0};

    if (runner->state == WR_RUNNER_ENDING) {
        /* Killed: its descriptors are closed before it is gone, which the timer sees. */
        wr_source_remove(&runner->source);
        arm(runner, 0);
        return;
    }
    if (in_cell(runner))
        read_pipes(runner);
    if (runner->state == WR_RUNNER_STARTING) {
        for (size_t i = 0; i < WR_ARRAY_SIZE(runner->pipes); i++)
            (void)wr_pipe_reader_read(&runner->pipes[i]);
        (void)wr_fail(&err, WR_E_INTERNAL, 0, "the runner ended before it was ready: %.150s",
                      runner->complaint.len > 0 ? wr_buf_cstr(&runner->complaint)
                                                : "it said nothing");
        gone(runner, &err);
        return;
    }
    gone(runner, NULL);
}

/* Reads the socket up to so many times. False when the runner is gone. */
static bool read_frames(struct wr_runner *runner, unsigned times)
{
    for (unsigned i = 0; i < times && !runner->paused; i++) {
        int got = fill(runner);
        if (got < 0)
            ended(runner);
        if (got < 0 || (got > 0 && !pump(runner)))
            return false;
        if (got == 0)
            break;
    }
    return true;
}

static void on_socket(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_runner *runner = data;

    (void)source;
    if (events & EPOLLOUT)
        flush(runner);
    if (events & ~(uint32_t)EPOLLOUT)
        (void)read_frames(runner, 1);
}

/* Frames that were sent before the bytes in the pipe come first: print("a") and then a program that
 * prints "b". The other way round it is the runner's business to send nothing while its pipes hold
 * anything. */
static void on_pipe_ready(struct wr_pipe_reader *reader, void *owner)
{
    struct wr_runner *runner = owner;

    if (in_cell(runner) && !read_frames(runner, FRAME_READS))
        return;
    if (!runner->paused && !inside_line(runner))
        (void)wr_pipe_reader_read(reader);
}

static bool process_left(const struct wr_runner *runner)
{
    return runner->pid > 0 && kill(runner->pid, 0) < 0 && errno == ESRCH;
}

/* A process that it left behind may hold its socket open. */
static void probe(struct wr_runner *runner)
{
    if (!process_left(runner) || runner->paused) {
        arm(runner, WR_RUNNER_PROBE_MS);
        return;
    }
    if (!read_frames(runner, FRAME_READS))
        return;
    if (runner->paused || !in_cell(runner))
        arm(runner, WR_RUNNER_PROBE_MS);
    else
        ended(runner);
}

static void on_timer(struct wr_timer *timer, void *data)
{
    struct wr_runner *runner = data;
    struct wr_error err = {0};

    (void)timer;
    switch (runner->state) {
    case WR_RUNNER_STARTING:
        (void)wr_fail(&err, WR_E_DEADLINE_EXCEEDED, 0,
                      "the runner was not ready after %d s: %.150s", WR_RUNNER_READY_MS / 1000,
                      runner->complaint.len > 0 ? wr_buf_cstr(&runner->complaint)
                                                : "it said nothing");
        broken(runner, &err);
        break;
    case WR_RUNNER_ASSIGNING:
        (void)wr_fail(&err, WR_E_DEADLINE_EXCEEDED, 0,
                      "the runner did not take its new environment within %d s",
                      WR_RUNNER_ASSIGN_MS / 1000);
        broken(runner, &err);
        break;
    case WR_RUNNER_BUSY:
    case WR_RUNNER_DRAINING:
        probe(runner);
        break;
    case WR_RUNNER_ENDING:
        if (process_left(runner) || wr_loop_now_ms(runner->loop) >= runner->end_by_ms)
            gone(runner, NULL);
        else
            arm(runner, WR_RUNNER_END_PROBE_MS);
        break;
    case WR_RUNNER_IDLE:
        break;
    }
}

static void on_started(const struct wr_start_result *result, const struct wr_error *err, void *data)
{
    struct wr_runner *runner = data;

    runner->start = NULL;
    if (err) {
        gone(runner, err);
        return;
    }
    runner->forked = result->forked;
    if (result->pid > 0)
        runner->pid = result->pid;
}

/* Our ends of the channels go into the loop. */
static int watch(struct wr_runner *runner, struct wr_channels *channels, struct wr_error *err)
{
    runner->fd = wr_steal_fd(&channels->ours[0]);
    int rc =
        wr_source_add(runner->loop, &runner->source, runner->fd, EPOLLIN, on_socket, runner, err);
    for (size_t i = 0; rc == 0 && i < WR_ARRAY_SIZE(runner->pipes); i++) {
        rc = wr_pipe_reader_open(&runner->pipes[i], runner->loop, channels->ours[1 + i], err);
        if (rc == 0)
            channels->ours[1 + i] = -1;
    }
    return rc;
}

/* Sends INIT and starts the process. */
static int launch(struct wr_runner *runner, const struct wr_start_opts *opts, struct wr_error *err)
{
    struct wr_channels channels;

    int rc = wr_channels_open(&channels, err);
    if (rc < 0)
        return rc;
    rc = watch(runner, &channels, err);
    if (rc == 0 && wr_frame_init(&runner->out, opts->cwd, opts->env, opts->cpu_millis) < 0)
        rc = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for a runner");
    if (rc == 0)
        rc = wr_timer_start(opts->loop, &runner->timer, WR_RUNNER_READY_MS, on_timer, runner, err);
    if (rc < 0) {
        wr_channels_close(&channels);
        return rc;
    }
    rc = wr_start_begin(opts, channels.theirs, on_started, runner, &runner->start, err);
    if (rc == 0)
        flush(runner);
    return rc;
}

int wr_runner_new(const struct wr_start_opts *opts, const struct wr_runner_ops *ops, void *owner,
                  struct wr_runner **ret, struct wr_error *err)
{
    struct wr_runner *runner = wr_calloc(1, sizeof(*runner));

    if (!runner)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for a runner");
    *runner = (struct wr_runner){
        .loop = opts->loop,
        .ops = ops,
        .owner = owner,
        .uid = opts->user->uid,
        .fd = -1,
        .in = WR_BUF(IN_MAX),
        .out = WR_BUF(OUT_MAX),
        .complaint = WR_BUF(WR_RUNNER_COMPLAINT),
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(runner->pipes); i++)
        runner->pipes[i] = (struct wr_pipe_reader){
            .fd = -1,
            .stream = i == 0 ? WR_STREAM_STDOUT : WR_STREAM_STDERR,
            .on_text = on_pipe,
            .on_ready = on_pipe_ready,
            .owner = runner,
        };
    int rc = launch(runner, opts, err);
    if (rc < 0) {
        (void)wr_runner_free(runner);
        return rc;
    }
    *ret = runner;
    return 0;
}

static int send_frame(struct wr_runner *runner, enum wr_runner_state state, uint64_t timer_ms)
{
    runner->state = state;
    arm(runner, timer_ms);
    flush(runner);
    return 0;
}

int wr_runner_execute(struct wr_runner *runner, const struct wr_buf *frame, bool silent,
                      struct wr_error *err)
{
    if (wr_buf_append(&runner->out, wr_buf_ptr(frame), frame->len) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory to send the cell");
    runner->silent = silent;
    runner->began = runner->interrupt = false;
    for (size_t i = 0; i < WR_ARRAY_SIZE(runner->pipes); i++)
        runner->pipes[i].tail_len = 0;
    return send_frame(runner, WR_RUNNER_BUSY, WR_RUNNER_PROBE_MS);
}

int wr_runner_assign(struct wr_runner *runner, const struct wr_env *env, uint64_t cpu_millis,
                     struct wr_error *err)
{
    if (wr_frame_assign(&runner->out, env, cpu_millis) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the environment");
    return send_frame(runner, WR_RUNNER_ASSIGNING, WR_RUNNER_ASSIGN_MS);
}

int wr_runner_renew(struct wr_runner *runner, const json_t *env, struct wr_error *err)
{
    if (runner->state == WR_RUNNER_ENDING)
        return 0;
    if (wr_frame_renew(&runner->out, env) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory to renew a runner");
    runner->renew_open++;
    /* Before the frame is read: what the signal does need not be done again. Nobody who does not
     * expect it takes notice of SIGURG. */
    signal_group(runner, SIGURG);
    flush(runner);
    return 0;
}

void wr_runner_interrupt(struct wr_runner *runner)
{
    if (runner->state != WR_RUNNER_BUSY)
        return;
    /* Before COUNT the runner may not have seen the cell yet, and a signal would be lost. */
    runner->interrupt = !runner->began;
    if (runner->began)
        signal_group(runner, SIGINT);
}

void wr_runner_end(struct wr_runner *runner)
{
    if (runner->state == WR_RUNNER_ENDING)
        return;
    runner->state = WR_RUNNER_ENDING;
    runner->end_by_ms = wr_loop_now_ms(runner->loop) + WR_RUNNER_END_MS;
    signal_group(runner, SIGKILL);
    wr_runner_pause(runner, false);
    /* Without a process there is nothing to wait for. */
    if (runner->pid == 0)
        runner->end_by_ms = 0;
    runner->start = wr_start_cancel(runner->start);
    arm(runner, runner->pid == 0 ? 0 : WR_RUNNER_END_PROBE_MS);
}

static void on_resume(struct wr_timer *timer, void *data)
{
    struct wr_runner *runner = data;

    (void)timer;
    if (!runner->paused)
        (void)pump(runner);
}

void wr_runner_pause(struct wr_runner *runner, bool paused)
{
    struct wr_error err = {0};

    if (runner->paused == paused)
        return;
    runner->paused = paused;
    int rc = update_pipes(runner, &err);
    if (paused) {
        wr_source_remove(&runner->source);
        return;
    }
    if (rc == 0)
        rc = wr_source_add(runner->loop, &runner->source, runner->fd,
                           (uint32_t)EPOLLIN | (runner->out.len > 0 ? (uint32_t)EPOLLOUT : 0u),
                           on_socket, runner, &err);
    /* From the loop, because this may be called from inside a call of ops. */
    if (rc == 0)
        rc = wr_timer_start(runner->loop, &runner->resume, 0, on_resume, runner, &err);
    if (rc < 0)
        wr_runner_end(runner); /* without memory for epoll it cannot go on */
}
