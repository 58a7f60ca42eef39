/*
 * Pictures among a cell's results: which formats there are, and files for them.
 *
 * A file is named STEM-cellN-K.EXT and carries the extended attribute user.warren.picture. One that
 * has it is Warren's own and may be replaced by a later run; any other file stays, and the picture
 * gets the next free name, STEM-cellN-K-2.EXT and so on.
 */
#pragma once

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

struct wr_picture_format {
    const char *member;    /* of a result */
    const char *extension; /* with its dot */
    bool base64;           /* else the text is the file */
};

/* Ends with a NULL member. */
extern const struct wr_picture_format wr_picture_formats[];

/* The bytes of that format in a result: 1, 0 when it has none, INVALID_ARGUMENT when they are not
 * what the format says. `out` is empty. */
int wr_picture_read(const struct wr_picture_format *format, const json_t *result,
                    struct wr_buf *out, struct wr_error *err) WR_MUST_CHECK;

struct wr_picture_place {
    const char *dir;  /* exists */
    const char *stem; /* without '/' */
    unsigned cell, index;
};

int wr_picture_save(const struct wr_picture_place *place, const struct wr_picture_format *format,
                    const struct wr_buf *bytes, char ret_path[static PATH_MAX],
                    struct wr_error *err) WR_MUST_CHECK;
