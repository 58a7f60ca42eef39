#include "agent/fs/gzip.h"

#include <stdlib.h>
#include <zlib.h>

#define PIECE       ((size_t)64 * 1024)
#define GZIP_FORMAT 16 /* added to the window bits: a gzip wrapper, nothing else */
#define MEMORY      8  /* zlib's default */

/* Pictures, archives and random bytes do not get smaller, and trying takes ten times the time of
 * passing them on. So after the first bytes that did not, the next ones are stored. */
#define TRY_BYTES   ((uLong)256 * 1024)
#define STORE_BYTES ((uLong)4 * 1024 * 1024)

struct wr_gunzip {
    z_stream zip;
    wr_gunzip_sink sink;
    void *data;
    bool ended; /* at the end of a member: the body may end here */
    char out[PIECE];
};

struct wr_gzip {
    z_stream zip;
    wr_gzip_sink sink;
    void *data;
    bool storing;            /* what goes through does not get smaller */
    uLong in_mark, out_mark; /* totals when that was last decided */
    char out[PIECE];
};

/* zlib's input is not const but not written to. */
static Bytef *input(const char *bytes)
{
    return (Bytef *)(uintptr_t)bytes; // NOLINT(performance-no-int-to-ptr)
}

int wr_gunzip_new(wr_gunzip_sink sink, void *data, struct wr_gunzip **ret, struct wr_error *err)
{
    struct wr_gunzip *g = malloc(sizeof(*g));

    if (g) {
        g->zip = (z_stream){0};
        g->sink = sink;
        g->data = data;
        g->ended = false;
    }
    if (!g || inflateInit2(&g->zip, MAX_WBITS + GZIP_FORMAT) != Z_OK) {
        free(g);
        return wr_fail(err, WR_E_INTERNAL, 0, "no memory for unpacking");
    }
    *ret = g;
    return 0;
}

int wr_gunzip_feed(struct wr_gunzip *g, const char *bytes, size_t len, struct wr_error *err)
{
    if (len > 0 && g->ended)
        (void)inflateReset(&g->zip); /* another member */
    g->zip.next_in = input(bytes);
    g->zip.avail_in = (uInt)len;
    g->zip.avail_out = 0;
    /* An output that was filled may have left something inside. */
    while (g->zip.avail_in > 0 || g->zip.avail_out == 0) {
        g->zip.next_out = (Bytef *)g->out;
        g->zip.avail_out = PIECE;
        int rc = inflate(&g->zip, Z_NO_FLUSH);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
            return wr_fail(err, rc == Z_MEM_ERROR ? WR_E_INTERNAL : WR_E_INVALID_ARGUMENT, 0,
                           "error decompressing request body: %s",
                           g->zip.msg ? g->zip.msg : "this is not gzip");
        }
        size_t n = PIECE - g->zip.avail_out;
        int sunk = n > 0 ? g->sink(g->out, n, g->data, err) : 0;
        if (sunk < 0)
            return sunk;
        g->ended = rc == Z_STREAM_END;
        if (rc == Z_BUF_ERROR || (g->ended && g->zip.avail_in == 0))
            return 0;
        if (g->ended)
            (void)inflateReset(&g->zip);
    }
    return 0;
}

int wr_gunzip_finish(const struct wr_gunzip *g, struct wr_error *err)
{
    if (g->ended)
        return 0;
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "error decompressing request body: unexpected end");
}

struct wr_gunzip *wr_gunzip_free(struct wr_gunzip *g)
{
    if (g)
        (void)inflateEnd(&g->zip);
    free(g);
    return NULL;
}

struct wr_gzip *wr_gzip_new(wr_gzip_sink sink, void *data)
{
    struct wr_gzip *g = malloc(sizeof(*g));

    if (g) {
        g->zip = (z_stream){0};
        g->sink = sink;
        g->data = data;
        g->storing = false;
        g->in_mark = g->out_mark = 0;
    }
    /* Fastest: the network is inside one machine more often than not. */
    if (!g || deflateInit2(&g->zip, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + GZIP_FORMAT, MEMORY,
                           Z_DEFAULT_STRATEGY) != Z_OK) {
        free(g);
        return NULL;
    }
    return g;
}

/* Room for output, and what was put there goes out. */
static void make_room(struct wr_gzip *g)
{
    g->zip.next_out = (Bytef *)g->out;
    g->zip.avail_out = PIECE;
}

static void send_out(struct wr_gzip *g)
{
    size_t n = PIECE - g->zip.avail_out;
    if (n > 0)
        g->sink(g->out, n, g->data);
}

static void choose_level(struct wr_gzip *g)
{
    uLong in = g->zip.total_in - g->in_mark, out = g->zip.total_out - g->out_mark;
    int rc = Z_BUF_ERROR;

    if (in < (g->storing ? STORE_BYTES : TRY_BYTES))
        return;
    g->in_mark = g->zip.total_in;
    g->out_mark = g->zip.total_out;
    bool store = !g->storing && out > in - in / 32;
    if (store == g->storing)
        return;
    g->storing = store;
    while (rc == Z_BUF_ERROR) { /* what is inside goes out as it was packed */
        make_room(g);
        rc = deflateParams(&g->zip, store ? Z_NO_COMPRESSION : Z_BEST_SPEED, Z_DEFAULT_STRATEGY);
        send_out(g);
    }
}

void wr_gzip_feed(struct wr_gzip *g, const char *bytes, size_t len, bool last)
{
    g->zip.next_in = input(bytes);
    g->zip.avail_in = (uInt)len;
    do {
        make_room(g);
        (void)deflate(&g->zip, last ? Z_FINISH : Z_NO_FLUSH); /* cannot fail with room */
        send_out(g);
    } while (g->zip.avail_out == 0);
    if (!last)
        choose_level(g);
}

struct wr_gzip *wr_gzip_free(struct wr_gzip *g)
{
    if (g)
        (void)deflateEnd(&g->zip);
    free(g);
    return NULL;
}
