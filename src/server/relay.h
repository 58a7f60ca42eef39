/*
 * Bytes both ways between two stream sockets until both directions have ended, with splice(2)
 * through pipes: nothing is copied to user space, a full side stops its source, a half-close is
 * passed on. Pipes are taken from a small store while bytes are under way, so that a silent
 * connection holds two descriptors; without a pipe (no descriptors left), and where splice does not
 * get on (urgent data), bytes are copied. Fair: one turn moves at most WR_RELAY_TURN bytes per
 * direction.
 */
#pragma once

#include <stdbool.h>

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
    /* fds[i] is one end of a socket pair whose other end's owner ends its stream (SHUT_WR) and
     * leaves the socket open until this relay has closed its end: a close without that is a cut,
     * upon which the other side is reset. Without it the close of a Unix socket is a clean end, as
     * the FIN of TCP is. The relay itself does the same: it closes at least one round of the loop
     * after the end of its stream, or without ending it. */
    bool pair[2];
    uint64_t stall_ms; /* 0: WR_RELAY_STALL_MS */
    /* Called once, later: both directions have ended (`error` 0) or one side broke (its errno, upon
     * which the other one was reset; ETIMEDOUT: it took nothing). The descriptors are closed
     * before.
     */
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
