/*
 * The sandboxes of this nest: id, slot, pidfd and network namespace of each. The table lives in
 * memory that is not inherited by fork, so that no sandbox's agent holds anything of another one.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "nest/protocol.h"

#define WR_CHILD_MAX_V1 4 /* engine/cgroup/cgroup.h has the same bound */

struct wr_child {
    char id[WR_ID_LEN + 1]; /* empty: free place */
    uint32_t slot;
    pid_t pid;
    int pidfd;
    int ns_fd;
    enum wr_nest_redirect redirect; /* of its network namespace */
    /* For contexts (contexts.h): WR_CONTEXT_SOCKET in its network namespace, listening; its control
     * groups; its limits; which layers its root file system has. */
    bool no_clones; /* its processes have wr_no_clones_filter */
    int context_fd;
    int tasks[WR_CHILD_MAX_V1];
    uint8_t v1_count;
    int v2_dir; /* -1: none */
    struct wr_nest_rlimits rlimits;
    uint64_t layers;
    uint64_t tokens_ms; /* when its budget of requests was last counted */
    int64_t tokens;     /* thousandths of requests that it may make at once; below 0: a debt */
    uint32_t open_requests;
    bool paused; /* its budget is used up: its listener is not looked at */
};

#define WR_CHILD_NONE ((struct wr_child){.pidfd = -1, .ns_fd = -1, .context_fd = -1, .v2_dir = -1})

struct wr_children {
    struct wr_child *table; /* WR_NEST_MAX_CHILDREN places, MADV_DONTFORK */
    size_t used;            /* places at or above were never used */
    size_t max;             /* living ones: as many as the limit of open files allows */
};

int wr_children_init(struct wr_children *children, struct wr_error *err) WR_MUST_CHECK;
/* Takes over the descriptors. RESOURCE_EXHAUSTED when full, ALREADY_EXISTS for an id that lives. */
int wr_children_add(struct wr_children *children, const struct wr_child *child,
                    struct wr_error *err) WR_MUST_CHECK;
int wr_children_check_free(const struct wr_children *children, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
/* NULL: none. */
struct wr_child *wr_children_find(const struct wr_children *children, const char *id);
struct wr_child *wr_children_find_pid(const struct wr_children *children, pid_t pid);
/* Closes its descriptors and frees the place. */
void wr_child_close(struct wr_child *child);
/* Up to `max` children with id > after, ascending; returns the count. */
size_t wr_children_page(const struct wr_children *children, const char *after,
                        const struct wr_child **out, size_t max, int *ret_more);
