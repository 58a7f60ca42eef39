/*
 * Frames of a runner (frame.h) from a stream of bytes. Whatever a cell does, it can write into that
 * stream, so every byte is hostile: lengths are checked against the kind, the reserved bytes have
 * to be zero, and LINE payloads have to be what the agent passes on as they are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct wr_frame_decoder {
    uint8_t kind;  /* of the frame under way; 0: none */
    bool begun;    /* a piece of it was given out */
    uint32_t left; /* bytes of its payload that are still to come */
    char last;     /* last byte that was given out, for the check of the end */
};

/* All frames come whole, but LINE: one that is larger than WR_RUNNER_TEXT comes in pieces. */
struct wr_frame_piece {
    uint8_t kind;
    bool first, last;
    const char *data; /* into the input */
    size_t len;
    bool bad; /* LINE: this is not a line that may be passed on; `first` is set when nothing of it
                 was given out before */
    bool is_error; /* LINE, with `first`: its type is "error" */
};

/*
 * Looks at the front of `data`. Returns how many bytes to drop from it and fills `piece`; 0 when
 * more bytes are needed (at most WR_FRAME_HEADER + WR_RUNNER_TEXT are ever needed at once);
 * -WR_E_INVALID_ARGUMENT when this is no frame of a runner, after which the stream is useless.
 */
ssize_t wr_frame_decode(struct wr_frame_decoder *decoder, const char *data, size_t len,
                        struct wr_frame_piece *piece, struct wr_error *err) WR_MUST_CHECK;
