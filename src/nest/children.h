/*
 * The sandboxes of this nest: id, slot, pidfd and network namespace of each. The table lives in
 * memory that is not inherited by fork, so that no sandbox's agent holds anything of another one.
 */
#pragma once

#include <sys/types.h>

#include "nest/protocol.h"

struct wr_child {
    char id[WR_ID_LEN + 1]; /* empty: free place */
    uint32_t slot;
    pid_t pid;
    int pidfd;
    int ns_fd;
};

struct wr_children {
    struct wr_child *table; /* WR_NEST_MAX_CHILDREN places, MADV_DONTFORK */
    size_t used;            /* places at or above were never used */
};

int wr_children_init(struct wr_children *children, struct wr_error *err) WR_MUST_CHECK;
/* Takes over the descriptors. RESOURCE_EXHAUSTED when full, ALREADY_EXISTS for an id that lives. */
int wr_children_add(struct wr_children *children, const struct wr_child *child,
                    struct wr_error *err) WR_MUST_CHECK;
int wr_children_check_free(const struct wr_children *children, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
/* Reaps everything that has ended; closes the descriptors of sandboxes. */
void wr_children_reap(struct wr_children *children);
/* Up to `max` children with id > after, ascending; returns the count. */
size_t wr_children_page(const struct wr_children *children, const char *after,
                        const struct wr_child **out, size_t max, int *ret_more);
