/*
 * multipart bodies (RFC 2046, RFC 7578), read as they come: bytes may be cut anywhere. What is held
 * is the head of one part, at most WR_MULTIPART_HEAD_MAX bytes.
 */
#pragma once

#include <limits.h>

#include "base/buf.h"
#include "base/error.h"

#define WR_MULTIPART_HEAD_MAX     ((size_t)16 * 1024)
#define WR_MULTIPART_BOUNDARY_MAX 70 /* RFC 2046 5.1.1 */
#define WR_MULTIPART_NAME_MAX     256

struct wr_multipart_part {
    char name[WR_MULTIPART_NAME_MAX];
    bool has_filename;
    char filename[PATH_MAX]; /* as sent, directories included */
};

/* What is called for each part; a negative answer (-WR_E_*) ends the reading. */
struct wr_multipart_ops {
    int (*on_part)(const struct wr_multipart_part *part, void *data, struct wr_error *err);
    int (*on_data)(const char *bytes, size_t len, void *data, struct wr_error *err);
    int (*on_part_end)(void *data, struct wr_error *err);
};

struct wr_multipart {
    const struct wr_multipart_ops *ops;            /* borrowed */
    void *data;                                    /* for ops */
    char delimiter[4 + WR_MULTIPART_BOUNDARY_MAX]; /* "\r\n--" and the boundary */
    size_t delimiter_len;
    int state;          /* private */
    size_t matched;     /* bytes of the delimiter at the end of what was read */
    bool in_part;       /* bytes belong to a part, not to the preamble */
    struct wr_buf head; /* of the part that begins */
};

/* Whether the media type is multipart/something, without regard to its parameters. */
bool wr_multipart_is(const char *content_type) WR_MUST_CHECK;
/* Takes the boundary from the Content-Type. WR_E_INVALID_ARGUMENT without a good one. */
int wr_multipart_init(struct wr_multipart *m, const char *content_type,
                      const struct wr_multipart_ops *ops, void *data, struct wr_error *err)
    WR_MUST_CHECK;
/* The next bytes. WR_E_INVALID_ARGUMENT for what is malformed, or what an op returned; not to be
 * called again then. */
int wr_multipart_feed(struct wr_multipart *m, const char *bytes, size_t len, struct wr_error *err)
    WR_MUST_CHECK;
/* The body is over. WR_E_INVALID_ARGUMENT when its last boundary did not come. */
int wr_multipart_finish(const struct wr_multipart *m, struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed struct. */
void wr_multipart_done(struct wr_multipart *m);
