/* Frames of a runner: what they hold does not depend on how the bytes are cut, no more is asked for
 * than a frame of text, and what is passed on as a line is one. The first byte is the size of the
 * pieces. */
#include "fuzz.h"
#include "interpreter/frame.h"
#include "interpreter/frame_decoder.h"
#include "interpreter/limits.h"

struct outcome {
    bool failed;
    size_t used;
    uint64_t hash; /* of kinds, ends and payloads, not of pieces */
};

static void mix(struct outcome *o, unsigned value)
{
    o->hash = (o->hash ^ value) * 1099511628211u;
}

static void check_line(const struct wr_frame_piece *piece)
{
    for (size_t i = 0; i < piece->len; i++)
        HOLDS(piece->data[i] >= 0x20 && piece->data[i] < 0x7f);
    if (piece->first)
        HOLDS(piece->len > 17 && memcmp(piece->data, "{\"type\":", 8) == 0);
    if (piece->last && piece->len > 0)
        HOLDS(piece->data[piece->len - 1] == '}');
}

static struct outcome decode(const char *data, size_t len, size_t step)
{
    struct wr_frame_decoder decoder = {0};
    struct outcome o = {.hash = 14695981039346656037u};
    struct wr_error err;
    size_t end = 0;
    bool bad = false;

    for (;;) {
        struct wr_frame_piece piece = {0};
        ssize_t n = wr_frame_decode(&decoder, data + o.used, end - o.used, &piece, &err);
        o.failed = n < 0;
        if (n < 0 || (n == 0 && end == len))
            return o;
        if (n == 0) {
            HOLDS(end - o.used < WR_FRAME_HEADER + WR_RUNNER_TEXT);
            end = end + step < len ? end + step : len;
            continue;
        }
        HOLDS((size_t)n <= end - o.used && piece.len <= (size_t)n);
        HOLDS(piece.data + piece.len == data + o.used + n);
        HOLDS(piece.kind == WR_FRAME_LINE || (piece.first && piece.last));
        if (piece.kind == WR_FRAME_LINE && !piece.bad)
            check_line(&piece);
        bad = (bad && !piece.first) || piece.bad;
        if (piece.first)
            mix(&o, piece.kind);
        for (size_t i = 0; i < piece.len; i++)
            mix(&o, (unsigned char)piece.data[i]);
        if (piece.last)
            mix(&o, bad ? 257 : 256);
        o.used += (size_t)n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    struct outcome whole = decode(bytes, size - 1, size);
    struct outcome pieces = decode(bytes, size - 1, (size_t)data[0] + 1);

    HOLDS(whole.failed == pieces.failed);
    /* The beginning of a large line is given out as it arrives. */
    if (size <= WR_RUNNER_TEXT) {
        HOLDS(whole.used == pieces.used);
        HOLDS(whole.hash == pieces.hash);
    }
    return 0;
}
