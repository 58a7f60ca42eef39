/* A multipart body with the boundary "b": what comes out does not depend on how the bytes are cut.
 * The first byte is the size of the pieces. */
#include "agent/fs/multipart.h"
#include "fuzz.h"

struct outcome {
    int rc;
    uint64_t hash;
    size_t parts, ended;
    bool inside;
};

static void mix(struct outcome *o, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        o->hash = (o->hash ^ (unsigned char)bytes[i]) * 1099511628211u;
}

static int on_part(const struct wr_multipart_part *part, void *data, struct wr_error *err)
{
    struct outcome *o = data;
    (void)err;
    HOLDS(!o->inside && strlen(part->name) < WR_MULTIPART_NAME_MAX);
    HOLDS(strlen(part->filename) < PATH_MAX && (part->has_filename || !part->filename[0]));
    o->inside = true;
    o->parts++;
    mix(o, part->name, strlen(part->name) + 1);
    mix(o, part->filename, strlen(part->filename) + 1);
    return 0;
}

static int on_data(const char *bytes, size_t len, void *data, struct wr_error *err)
{
    struct outcome *o = data;
    (void)err;
    HOLDS(o->inside && len > 0);
    mix(o, bytes, len);
    return 0;
}

static int on_part_end(void *data, struct wr_error *err)
{
    struct outcome *o = data;
    (void)err;
    HOLDS(o->inside);
    o->inside = false;
    o->ended++;
    mix(o, "", 1);
    return 0;
}

static struct outcome parse(const uint8_t *data, size_t size, size_t piece)
{
    static const struct wr_multipart_ops ops = {on_part, on_data, on_part_end};
    struct outcome o = {.hash = 14695981039346656037u};
    struct wr_multipart m;
    struct wr_error err;

    HOLDS(wr_multipart_init(&m, "multipart/form-data; boundary=b", &ops, &o, &err) == 0);
    for (size_t at = 0; o.rc == 0 && at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        /* A copy without slack behind it, so that a read past the end is seen. */
        char *copy = malloc(n);
        HOLDS(copy != NULL);
        memcpy(copy, data + at, n);
        o.rc = wr_multipart_feed(&m, copy, n, &err);
        free(copy);
    }
    if (o.rc == 0)
        o.rc = wr_multipart_finish(&m, &err);
    HOLDS(o.rc == 0 || o.rc == -WR_E_INVALID_ARGUMENT);
    HOLDS(o.rc != 0 || (!o.inside && o.parts == o.ended));
    wr_multipart_done(&m);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct outcome whole = parse(data + 1, size - 1, size);
    struct outcome cut = parse(data + 1, size - 1, (size_t)data[0] + 1);
    HOLDS(whole.rc == cut.rc && whole.parts == cut.parts && whole.ended == cut.ended);
    HOLDS(whole.rc != 0 || whole.hash == cut.hash);
    return 0;
}
