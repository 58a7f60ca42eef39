#include "interpreter/frame_decoder.h"

#include <string.h>

#include "interpreter/frame.h"
#include "interpreter/limits.h"

static const struct {
    uint8_t kind;
    const char *name;
    uint32_t max;
} kinds[] = {
    {WR_FRAME_READY, "READY", WR_RUNNER_SMALL},     {WR_FRAME_COUNT, "COUNT", WR_RUNNER_SMALL},
    {WR_FRAME_STDOUT, "STDOUT", WR_RUNNER_TEXT},    {WR_FRAME_STDERR, "STDERR", WR_RUNNER_TEXT},
    {WR_FRAME_LINE, "LINE", WR_FRAME_MAX},          {WR_FRAME_DONE, "DONE", WR_RUNNER_SMALL},
    {WR_FRAME_RENEWED, "RENEWED", WR_RUNNER_SMALL},
};

/* What a line may be, in the spellings of compact and of Python's writers. */
static const struct {
    const char *front;
    bool is_error;
} fronts[] = {
    {"{\"type\":\"result\"", false},
    {"{\"type\": \"result\"", false},
    {"{\"type\":\"error\"", true},
    {"{\"type\": \"error\"", true},
};

static int read_header(struct wr_frame_decoder *decoder, const unsigned char *bytes,
                       struct wr_error *err)
{
    uint32_t len = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                   (uint32_t)bytes[3] << 24;

    if (bytes[5] || bytes[6] || bytes[7])
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the reserved bytes of a frame are not zero");
    for (size_t i = 0; i < WR_ARRAY_SIZE(kinds); i++) {
        if (kinds[i].kind != bytes[4])
            continue;
        if (len > kinds[i].max)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "a frame %s of %u bytes is over the limit of %u", kinds[i].name, len,
                           kinds[i].max);
        *decoder = (struct wr_frame_decoder){.kind = bytes[4], .left = len};
        return 0;
    }
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "there is no frame of the kind 0x%02x", bytes[4]);
}

static bool printable(const char *data, size_t len)
{
    /* One pass without branches: lines have tens of megabytes. */
    unsigned char bad = 0;

    for (size_t i = 0; i < len; i++)
        bad |= (unsigned char)((unsigned char)data[i] < 0x20 || (unsigned char)data[i] > 0x7e);
    return bad == 0;
}

static void check_line(const struct wr_frame_decoder *decoder, struct wr_frame_piece *piece)
{
    char end = piece->len > 0 ? piece->data[piece->len - 1] : decoder->last;

    piece->bad = !printable(piece->data, piece->len) || (piece->last && end != '}');
    if (!piece->first)
        return;
    for (size_t i = 0; i < WR_ARRAY_SIZE(fronts); i++) {
        size_t len = strlen(fronts[i].front);
        if (piece->len > len && memcmp(piece->data, fronts[i].front, len) == 0) {
            piece->is_error = fronts[i].is_error;
            return;
        }
    }
    piece->bad = true;
}

ssize_t wr_frame_decode(struct wr_frame_decoder *decoder, const char *data, size_t len,
                        struct wr_frame_piece *piece, struct wr_error *err)
{
    size_t header = 0;
    struct wr_frame_decoder next = *decoder;

    if (next.kind == 0) {
        if (len < WR_FRAME_HEADER)
            return 0;
        int rc = read_header(&next, (const unsigned char *)data, err);
        if (rc < 0)
            return rc;
        header = WR_FRAME_HEADER;
    }
    size_t there = len - header;
    size_t need = WR_MIN((size_t)next.left, WR_RUNNER_TEXT);
    /* The rest of a large line comes as it arrives, everything else whole. */
    if (next.begun ? there == 0 && next.left > 0 : there < need)
        return 0;
    size_t take = WR_MIN(there, (size_t)next.left);
    *piece = (struct wr_frame_piece){
        .kind = next.kind,
        .first = !next.begun,
        .last = take == next.left,
        .data = data + header,
        .len = take,
    };
    if (next.kind == WR_FRAME_LINE)
        check_line(&next, piece);
    next.begun = true;
    next.left -= (uint32_t)take;
    if (take > 0)
        next.last = piece->data[take - 1];
    if (piece->last)
        next = (struct wr_frame_decoder){0};
    *decoder = next;
    return (ssize_t)(header + take);
}
