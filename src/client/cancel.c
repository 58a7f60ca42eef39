#include "warren/cancel.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/list.h"

/*
 * A tree under one lock, its root's. A child holds its parent, so that a token in the middle that
 * nobody else holds any more still passes on what its own parent tells.
 */
struct wr_cancel {
    atomic_size_t holders;
    atomic_bool fired;
    int fd; /* eventfd, readable for good once fired */
    struct wr_cancel *parent;
    struct wr_cancel *root;  /* itself for a root */
    struct wr_list siblings; /* in the parent's children; under the root's lock, as the next */
    struct wr_list children;
    pthread_mutex_t lock; /* used in roots */
};

static void fire_one(struct wr_cancel *cancel)
{
    const uint64_t one = 1;

    if (atomic_exchange(&cancel->fired, true))
        return;
    /* Cannot fail: the counter is far from its maximum, and the descriptor is open. */
    (void)!write(cancel->fd, &one, sizeof one);
}

struct wr_cancel *wr_cancel_new(struct wr_cancel *parent, struct wr_error *err)
{
    struct wr_cancel *cancel = wr_calloc(1, sizeof *cancel);

    if (!cancel) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cancel token");
        return NULL;
    }
    cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cancel->fd < 0) {
        (void)wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "cancel token");
        free(cancel);
        return NULL;
    }
    atomic_init(&cancel->holders, 1);
    atomic_init(&cancel->fired, false);
    wr_list_init(&cancel->children);
    cancel->root = cancel;
    pthread_mutex_init(&cancel->lock, NULL);
    if (parent) {
        cancel->parent = wr_cancel_ref(parent);
        cancel->root = parent->root;
        pthread_mutex_lock(&cancel->root->lock);
        wr_list_append(&parent->children, &cancel->siblings);
        if (atomic_load(&parent->fired))
            fire_one(cancel);
        pthread_mutex_unlock(&cancel->root->lock);
    }
    return cancel;
}

struct wr_cancel *wr_cancel_ref(struct wr_cancel *cancel)
{
    if (cancel)
        atomic_fetch_add(&cancel->holders, 1);
    return cancel;
}

struct wr_cancel *wr_cancel_free(struct wr_cancel *cancel)
{
    while (cancel && atomic_fetch_sub(&cancel->holders, 1) == 1) {
        struct wr_cancel *parent = cancel->parent;
        if (parent) {
            /* Somebody may be firing through it until it is out of the list. */
            pthread_mutex_lock(&cancel->root->lock);
            wr_list_remove(&cancel->siblings);
            pthread_mutex_unlock(&cancel->root->lock);
        }
        wr_close(cancel->fd);
        pthread_mutex_destroy(&cancel->lock);
        free(cancel);
        cancel = parent; /* its child held it */
    }
    return NULL;
}

/* The next of the tree below `top` in the order parent, children, siblings; NULL after the last. */
static struct wr_cancel *next_below(struct wr_cancel *top, struct wr_cancel *at)
{
    if (!wr_list_empty(&at->children))
        return wr_list_entry(at->children.next, struct wr_cancel, siblings);
    while (at != top && at->siblings.next == &at->parent->children)
        at = at->parent;
    return at == top ? NULL : wr_list_entry(at->siblings.next, struct wr_cancel, siblings);
}

void wr_cancel_fire(struct wr_cancel *cancel)
{
    pthread_mutex_lock(&cancel->root->lock);
    for (struct wr_cancel *at = cancel; at; at = next_below(cancel, at))
        fire_one(at);
    pthread_mutex_unlock(&cancel->root->lock);
}

bool wr_cancel_fired(const struct wr_cancel *cancel)
{
    return atomic_load(&cancel->fired);
}

int wr_cancel_fd(const struct wr_cancel *cancel)
{
    return cancel->fd;
}
