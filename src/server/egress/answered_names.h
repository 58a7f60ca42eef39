/*
 * Which name a sandbox asked for before it connected to an address: for the log, where the
 * connection itself does not say its name. Not for decisions: several names can have one address,
 * and the last one that was asked for is kept.
 */
#pragma once

#include "server/egress/address.h"

#define WR_ANSWERED_NAMES_MAX 64 /* addresses; the oldest one makes room */

/* Embedded in its owner's struct, zeroed before the first use. */
struct wr_answered_names {
    struct {
        struct wr_ip address;
        char *name; /* owned; NULL: free */
    } entries[WR_ANSWERED_NAMES_MAX];
    size_t next;
};

/* Without memory nothing is kept. */
void wr_answered_names_add(struct wr_answered_names *names, const struct wr_ip *address,
                           const char *name);
/* NULL: not known. Borrowed until the next call of wr_answered_names_add(). */
const char *wr_answered_names_find(const struct wr_answered_names *names,
                                   const struct wr_ip *address);
void wr_answered_names_done(struct wr_answered_names *names);
