#include "template/link_table.h"

#include <errno.h>

#include "base/alloc.h"

#define COUNT_MAX 1000000
#define CAP_FIRST 256

struct wr_link {
    dev_t dev;
    ino_t ino;
    char *path; /* owned; NULL: the slot is free */
};

void wr_link_table_done(struct wr_link_table *t)
{
    for (size_t i = 0; i < t->cap; i++)
        free(t->slots[i].path);
    free(t->slots);
    *t = (struct wr_link_table){0};
}

/* The slot that holds the inode, or the free one where it belongs. The table is never full. */
static struct wr_link *slot_of(struct wr_link *slots, size_t cap, dev_t dev, ino_t ino)
{
    uint64_t hash = ((uint64_t)ino ^ ((uint64_t)dev << 40)) * 0x9e3779b97f4a7c15U;
    for (size_t i = (size_t)(hash >> 20);; i++) {
        struct wr_link *s = &slots[i & (cap - 1)];
        if (!s->path || (s->dev == dev && s->ino == ino))
            return s;
    }
}

const char *wr_link_table_find(const struct wr_link_table *t, dev_t dev, ino_t ino)
{
    return t->cap ? slot_of(t->slots, t->cap, dev, ino)->path : NULL;
}

static int grow(struct wr_link_table *t)
{
    size_t cap = t->cap ? t->cap * 2 : CAP_FIRST;
    struct wr_link *slots = wr_calloc(cap, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].path)
            *slot_of(slots, cap, t->slots[i].dev, t->slots[i].ino) = t->slots[i];
    free(t->slots);
    t->slots = slots;
    t->cap = cap;
    return 0;
}

int wr_link_table_add(struct wr_link_table *t, dev_t dev, ino_t ino, const char *path)
{
    if (t->count >= COUNT_MAX)
        return -ENOSPC;
    int rc = t->count * 2 >= t->cap ? grow(t) : 0;
    if (rc < 0)
        return rc;
    struct wr_link *s = slot_of(t->slots, t->cap, dev, ino);
    if (s->path)
        return 0;
    s->path = wr_strdup(path);
    if (!s->path)
        return -ENOMEM;
    s->dev = dev;
    s->ino = ino;
    t->count++;
    return 0;
}
