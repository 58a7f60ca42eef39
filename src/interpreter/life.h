/*
 * A life: the time between two restores. What began in another life than this one, in the image
 * that the sandbox came from, has no client any more: a restore closes all connections.
 */
#pragma once

#include <stdbool.h>

#define WR_LIFE_LEN 128

struct wr_life {
    char offsets[WR_LIFE_LEN]; /* of its clocks to the host's; "" when they are unknown */
};

/* CRIU lets the monotonic clock go on where it stood at the dump, so each restore leads to another
 * offset; nothing else changes it. */
void wr_life_now(struct wr_life *ret);
/* Whether it goes on still. */
bool wr_life_goes_on(const struct wr_life *life);
