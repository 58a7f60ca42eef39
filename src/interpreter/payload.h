/* JSON payloads of a runner's frames. */
#pragma once

#include "base/error.h"
#include "interpreter/frame_decoder.h"

/* The one member that counts, a whole number within [min, max]; others are ignored. */
int wr_payload_number(const struct wr_frame_piece *piece, const char *name, int64_t min,
                      int64_t max, int64_t *ret, struct wr_error *err) WR_MUST_CHECK;
