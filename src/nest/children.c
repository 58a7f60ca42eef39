#include "nest/children.h"

#include <sys/resource.h>

#include "base/fd.h"
#include "nest/unforked.h"

/* What a sandbox takes of the nest's descriptors: pidfd, network namespace, context socket, control
 * groups, and its share of open requests. */
#define DESCRIPTORS_EACH (3 + WR_CHILD_MAX_V1 + 1)
#define DESCRIPTORS_RESERVED                                             \
    1024 /* pool, open requests, and what a request of the engine brings \
          */

static size_t max_children(void)
{
    struct rlimit limit = {0};

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= DESCRIPTORS_RESERVED)
        return 1;
    return WR_MIN((size_t)WR_NEST_MAX_CHILDREN,
                  (size_t)(limit.rlim_cur - DESCRIPTORS_RESERVED) / DESCRIPTORS_EACH);
}

int wr_children_init(struct wr_children *children, struct wr_error *err)
{
    void *table = NULL;
    int rc = wr_unforked_new(WR_NEST_MAX_CHILDREN * sizeof(struct wr_child),
                             "the table of sandboxes", &table, err);

    if (rc == 0)
        *children = (struct wr_children){.table = table, .max = max_children()};
    return rc;
}

int wr_children_check_free(const struct wr_children *children, const char *id, struct wr_error *err)
{
    size_t living = 0;

    for (size_t i = 0; i < children->used; i++) {
        if (!children->table[i].id[0])
            continue;
        living++;
        if (wr_streq(children->table[i].id, id))
            return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "sandbox %s already runs", id);
    }
    if (living >= children->max)
        return wr_fail(
            err, WR_E_RESOURCE_EXHAUSTED, 0,
            "%zu sandboxes run from this template; no more fit (the limit of open files decides, up to %d)",
            living, WR_NEST_MAX_CHILDREN);
    return 0;
}

int wr_children_add(struct wr_children *children, const struct wr_child *child,
                    struct wr_error *err)
{
    int rc = wr_children_check_free(children, child->id, err);

    if (rc < 0)
        return rc;
    size_t i = 0;
    while (i < children->used && children->table[i].id[0])
        i++;
    children->table[i] = *child;
    if (i == children->used)
        children->used++;
    return 0;
}

struct wr_child *wr_children_find(const struct wr_children *children, const char *id)
{
    for (size_t i = 0; i < children->used; i++)
        if (children->table[i].id[0] && wr_streq(children->table[i].id, id))
            return &children->table[i];
    return NULL;
}

struct wr_child *wr_children_find_pid(const struct wr_children *children, pid_t pid)
{
    for (size_t i = 0; i < children->used; i++)
        if (children->table[i].id[0] && children->table[i].pid == pid)
            return &children->table[i];
    return NULL;
}

void wr_child_close(struct wr_child *child)
{
    wr_close(child->pidfd);
    wr_close(child->ns_fd);
    wr_close(child->context_fd);
    for (size_t i = 0; i < child->v1_count; i++)
        wr_close(child->tasks[i]);
    wr_close(child->v2_dir);
    *child = WR_CHILD_NONE;
}

size_t wr_children_page(const struct wr_children *children, const char *after,
                        const struct wr_child **out, size_t max, int *ret_more)
{
    size_t count = 0;

    *ret_more = 0;
    /* Selection of the `max` smallest ids above `after`; pages are rare (an engine's restart). */
    for (size_t i = 0; i < children->used; i++) {
        const struct wr_child *child = &children->table[i];
        if (!child->id[0] || strcmp(child->id, after) <= 0)
            continue;
        size_t at = count;
        while (at > 0 && strcmp(out[at - 1]->id, child->id) > 0)
            at--;
        if (count == max)
            *ret_more = 1;
        if (at == max)
            continue;
        size_t last = count < max ? count++ : max - 1;
        for (size_t j = last; j > at; j--)
            out[j] = out[j - 1];
        out[at] = child;
    }
    return count;
}
