#include "nest/children.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/fd.h"

int wr_children_init(struct wr_children *children, struct wr_error *err)
{
    size_t size = WR_NEST_MAX_CHILDREN * sizeof(struct wr_child);
    void *table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (table == MAP_FAILED)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "allocate the table of sandboxes");
    if (madvise(table, size, MADV_DONTFORK) < 0) {
        int rc = wr_fail_errno(err, WR_E_INTERNAL, "protect the table of sandboxes from forks");
        munmap(table, size);
        return rc;
    }
    *children = (struct wr_children){.table = table};
    return 0;
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
    if (living >= WR_NEST_MAX_CHILDREN)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "%d sandboxes run from this template; no more fit", WR_NEST_MAX_CHILDREN);
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

void wr_children_reap(struct wr_children *children)
{
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid <= 0)
            return;
        for (size_t i = 0; i < children->used; i++) {
            struct wr_child *child = &children->table[i];
            if (!child->id[0] || child->pid != pid)
                continue;
            wr_close(child->pidfd);
            wr_close(child->ns_fd);
            *child = (struct wr_child){.pidfd = -1, .ns_fd = -1};
        }
    }
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
