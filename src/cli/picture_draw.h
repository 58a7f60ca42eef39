/*
 * Pictures in the terminal, by the protocols that terminals have for them. The bytes come from a
 * sandbox: they reach the terminal only as base64, or, for sixel, after a program with reduced
 * rights has made six-pixel rows of them.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "cli/picture.h"

enum wr_picture_protocol {
    WR_PICTURE_NONE = 0,
    WR_PICTURE_KITTY = 1, /* PNG only */
    WR_PICTURE_ITERM = 2,
    WR_PICTURE_SIXEL = 3,
};

/* Words of --pictures. */
#define WR_PICTURE_CHOICES "auto|kitty|iterm|sixel|none"

/* `choice`: index in WR_PICTURE_CHOICES. auto looks at the environment; without a terminal as
 * standard output it is always NONE. */
enum wr_picture_protocol wr_picture_protocol_choose(uint64_t choice);

/* Appends what draws the picture and a line break: 1; 0 when this protocol cannot show the format;
 * FAILED_PRECONDITION when a program is missing. */
int wr_picture_draw(enum wr_picture_protocol protocol, const struct wr_picture_format *format,
                    const struct wr_buf *bytes, struct wr_buf *out, struct wr_error *err)
    WR_MUST_CHECK;
