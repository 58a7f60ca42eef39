/* Inodes with several names that a copy has met, with the first name of each: hard links stay hard
 * links. */
#pragma once

#include <sys/types.h>

#include "base/base.h"

struct wr_link_table {
    struct wr_link *slots; /* owned; open addressing, cap is a power of two */
    size_t cap;
    size_t count;
};

void wr_link_table_done(struct wr_link_table *t);
/* The path that was stored for an inode, or NULL. */
const char *wr_link_table_find(const struct wr_link_table *t, dev_t dev, ino_t ino);
/* Stores a copy of the path. 0, -ENOMEM, or -ENOSPC above a million inodes. */
int wr_link_table_add(struct wr_link_table *t, dev_t dev, ino_t ino, const char *path)
    WR_MUST_CHECK;
