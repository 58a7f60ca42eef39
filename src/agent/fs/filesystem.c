#include "agent/fs/filesystem.h"

#include "agent/fs/remove.h"
#include "agent/fs/watch_poll.h"

void wr_filesystem_init(struct wr_filesystem *fs, struct wr_loop *loop)
{
    *fs = (struct wr_filesystem){0};
    wr_watchers_init(&fs->watchers, loop);
    wr_list_init(&fs->removals);
}

void wr_filesystem_done(struct wr_filesystem *fs)
{
    wr_remove_cancel_all(fs);
    wr_watch_poll_done(&fs->watchers);
}
