/* A command in a sandbox as a source or a sink of bytes, blocking: what `cp -r` reads tar from and
 * writes tar to. */
#pragma once

#include "client/process.h"

struct wr_guest_stream;

/* `opts->with_stdin` is set here when `writing`. */
int wr_guest_stream_open(struct wr_transport *client, const struct wr_process_opts *opts,
                         bool writing, struct wr_guest_stream **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* The next bytes of its output, valid until the next call. Their number, 0 at the end, or -WR_E_*.
 */
ssize_t wr_guest_stream_read(struct wr_guest_stream *stream, const void **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* All of them, or an error: also when the command ended early. */
int wr_guest_stream_write(struct wr_guest_stream *stream, const void *bytes, size_t len,
                          struct wr_error *err) WR_MUST_CHECK;
/* Ends its input and waits for its end; UNKNOWN with the first line of its error output when it
 * failed. */
int wr_guest_stream_finish(struct wr_guest_stream *stream, struct wr_error *err) WR_MUST_CHECK;
/* Kills the command if it still runs. Accepts NULL, returns NULL. */
struct wr_guest_stream *wr_guest_stream_free(struct wr_guest_stream *stream);
