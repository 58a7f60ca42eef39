#include "cli/guest_stream.h"

#include <errno.h>
#include <signal.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

#define IN_HIGH ((size_t)1024 * 1024)
#define IN_MAX  ((size_t)16 * 1024 * 1024)

struct wr_guest_stream {
    struct wr_transport *client;
    struct wr_process *process;
    struct wr_buf in;
    size_t given; /* bytes of `in` that the last read returned */
    struct wr_buf err_text;
    bool started, ended, paused, writing, input_busy;
    int exit_status;
    struct wr_error error;
};

static void on_start(struct wr_process *process, uint32_t pid, void *data)
{
    struct wr_guest_stream *stream = data;

    (void)process;
    (void)pid;
    stream->started = true;
}

static void on_output(struct wr_process *process, enum wr_process_stream which, const void *bytes,
                      size_t len, void *data)
{
    struct wr_guest_stream *stream = data;

    if (which == WR_PROCESS_STDERR) {
        len = WR_MIN(len, wr_buf_room(&stream->err_text));
        if (wr_buf_append(&stream->err_text, bytes, len) < 0)
            wr_buf_clear(&stream->err_text);
        return;
    }
    if (wr_buf_append(&stream->in, bytes, len) < 0 && stream->error.code == WR_OK)
        (void)wr_fail(&stream->error, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "output of the sandbox");
    if (stream->in.len > IN_HIGH && !stream->paused) {
        stream->paused = true;
        wr_process_pause(process, true);
    }
}

static void on_input_done(struct wr_process *process, const struct wr_error *error, void *data)
{
    struct wr_guest_stream *stream = data;

    (void)process;
    stream->input_busy = false;
    if (error && stream->error.code == WR_OK)
        stream->error = *error;
}

static void on_end(struct wr_process *process, const struct wr_process_end *end,
                   const struct wr_error *error, void *data)
{
    struct wr_guest_stream *stream = data;

    (void)process;
    stream->ended = true;
    if (end)
        stream->exit_status = end->exit_status;
    else if (stream->error.code == WR_OK)
        stream->error = *error;
}

static const struct wr_process_ops ops = {
    .on_start = on_start,
    .on_output = on_output,
    .on_input_done = on_input_done,
    .on_end = on_end,
};

/* The command's own words say more than that its pipe broke. */
static int failure(struct wr_guest_stream *stream, struct wr_error *err)
{
    const char *text = wr_buf_cstr(&stream->err_text);
    size_t len = text ? strcspn(text, "\r\n") : 0;

    if (stream->ended && stream->exit_status == 127)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "the sandbox has no tar, which copying directories needs");
    if (stream->ended && stream->exit_status != 0 && len > 0)
        return wr_fail(err, WR_E_UNKNOWN, 0, "in the sandbox: %.*s", (int)WR_MIN(len, (size_t)160),
                       text);
    if (stream->error.code != WR_OK) {
        *err = stream->error;
        return -err->code;
    }
    if (stream->ended && stream->exit_status != 0)
        return wr_fail(err, WR_E_UNKNOWN, 0, "tar in the sandbox ended with status %d",
                       stream->exit_status);
    return 0;
}

int wr_guest_stream_open(struct wr_transport *client, const struct wr_process_opts *opts,
                         bool writing, struct wr_guest_stream **ret, struct wr_error *err)
{
    struct wr_guest_stream *stream = wr_calloc(1, sizeof *stream);
    struct wr_process_opts own = *opts;

    if (!stream)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "copy");
    stream->client = client;
    stream->writing = writing;
    wr_buf_init(&stream->in, IN_MAX);
    wr_buf_init(&stream->err_text, 4096);
    own.with_stdin = writing;
    int r = wr_process_start(client, &own, &ops, stream, &stream->process, err);
    while (r == 0 && !stream->started && !stream->ended)
        r = wr_transport_step(client, -1, err);
    if (r == 0 && !stream->started)
        r = failure(stream, err);
    if (r < 0) {
        wr_guest_stream_free(stream);
        return r;
    }
    *ret = stream;
    return 0;
}

ssize_t wr_guest_stream_read(struct wr_guest_stream *stream, const void **ret, struct wr_error *err)
{
    wr_buf_consume(&stream->in, stream->given);
    stream->given = 0;
    while (stream->in.len == 0 && !stream->ended && stream->error.code == WR_OK) {
        if (stream->paused) {
            stream->paused = false;
            wr_process_pause(stream->process, false);
        }
        int r = wr_transport_step(stream->client, -1, err);
        if (r < 0)
            return r;
    }
    if (stream->in.len == 0)
        return failure(stream, err);
    stream->given = stream->in.len;
    *ret = wr_buf_ptr(&stream->in);
    return (ssize_t)stream->given;
}

static int wait_input(struct wr_guest_stream *stream, struct wr_error *err)
{
    while (stream->input_busy && !stream->ended && stream->error.code == WR_OK) {
        int r = wr_transport_step(stream->client, -1, err);
        if (r < 0)
            return r;
    }
    return stream->error.code == WR_OK && !stream->ended ? 0 : -1;
}

int wr_guest_stream_write(struct wr_guest_stream *stream, const void *bytes, size_t len,
                          struct wr_error *err)
{
    const char *from = bytes;

    while (len > 0) {
        size_t part = WR_MIN(len, WR_PROCESS_INPUT_CHUNK);
        int r = stream->ended ? -1 : wr_process_input(stream->process, from, part, err);
        if (r == 0) {
            stream->input_busy = true;
            r = wait_input(stream, err);
        }
        if (r < 0) {
            if (err->code == WR_OK && failure(stream, err) == 0)
                (void)wr_fail(err, WR_E_UNKNOWN, 0, "tar in the sandbox ended early");
            return -err->code;
        }
        from += part;
        len -= part;
    }
    return 0;
}

int wr_guest_stream_finish(struct wr_guest_stream *stream, struct wr_error *err)
{
    if (stream->writing && !stream->ended)
        wr_process_close_stdin(stream->process);
    if (stream->paused)
        wr_process_pause(stream->process, false);
    /* What it still prints is of no interest; IN_MAX bounds it. */
    while (!stream->ended && stream->error.code == WR_OK) {
        int r = wr_transport_step(stream->client, -1, err);
        if (r < 0)
            return r;
        wr_buf_clear(&stream->in);
        stream->given = 0;
    }
    return failure(stream, err);
}

struct wr_guest_stream *wr_guest_stream_free(struct wr_guest_stream *stream)
{
    struct wr_error ignored = {0};

    if (!stream)
        return NULL;
    if (stream->process && stream->started && !stream->ended &&
        wr_process_signal(stream->process, SIGKILL, &ignored) == 0) {
        /* One round, so that the request leaves before the connection is closed. */
        (void)!wr_loop_step(wr_transport_loop(stream->client), 100, &ignored);
    }
    wr_process_free(stream->process);
    wr_buf_done(&stream->in);
    wr_buf_done(&stream->err_text);
    free(stream);
    return NULL;
}
