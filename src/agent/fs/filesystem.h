/* What the filesystem service keeps between calls; one instance per agent, in struct wr_agent. */
#pragma once

#include "agent/fs/watcher.h"
#include "base/list.h"

struct wr_filesystem {
    struct wr_watchers watchers;
    size_t list_count;       /* listings under way */
    struct wr_list removals; /* under way */
    size_t removal_count;
};

void wr_filesystem_init(struct wr_filesystem *fs, struct wr_loop *loop);
/* Stops everything that is under way. */
void wr_filesystem_done(struct wr_filesystem *fs);
