/*
 * Bytes both ways between two stream sockets until both directions have ended, with splice(2)
 * through pipes: nothing is copied to user space, a full side stops its source, a half-close is
 * passed on. Pipes are taken from a small store while bytes are under way, so that a silent
 * connection holds two descriptors. Fair: one turn moves at most WR_RELAY_TURN bytes per direction.
 */
#pragma once

#include "base/buf.h"
#include "loop/loop.h"

struct wr_relay;
struct wr_net_budget;

#define WR_RELAY_TURN     (256 * 1024)
#define WR_RELAY_STALL_MS 300000 /* a side that takes nothing of what waits for it is cut */

struct wr_relay_opts {
    int fds[2]; /* non-blocking stream sockets; become owned (also on failure) */
    /* Bytes that were read before and are for fds[i] first; moved; NULL: none. */
    struct wr_buf *first[2];
    struct wr_net_budget *budget; /* of the bytes of both directions, borrowed; NULL: no limit */
    /* Called once, later: both directions have ended (`error` 0) or one side broke (its errno, upon
     * which the other one was reset). The descriptors are closed before. */
    void (*on_end)(struct wr_relay *relay, int error, void *data);
    void *data;
};

int wr_relay_start(struct wr_loop *loop, const struct wr_relay_opts *opts, struct wr_relay **ret,
                   struct wr_error *err) WR_MUST_CHECK;
/* Bytes written to fds[index] so far. */
uint64_t wr_relay_bytes(const struct wr_relay *relay, unsigned index);
/* Resets both sides; without a call of on_end. Accepts NULL, returns NULL. */
struct wr_relay *wr_relay_cut(struct wr_relay *relay);
/* In on_end only: frees it. */
void wr_relay_free(struct wr_relay *relay);
