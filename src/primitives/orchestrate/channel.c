#include <errno.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/error.h"
#include "primitives/orchestrate/waiter.h"
#include "warren/coordinate.h"

#define MAX_CAPACITY 1000000

/* A thread at one of the ends. */
struct visitor {
    struct wr_waiter waiter;
    struct wr_value *value; /* a sender's until it is taken, a receiver's once it has been given */
    bool served, turned_away;
};

struct queued {
    struct wr_list link;
    struct wr_value *value;
};

struct wr_channel {
    pthread_mutex_t lock;
    unsigned capacity, count;
    bool closed;
    struct wr_list queue;     /* of struct queued */
    struct wr_list senders;   /* of struct visitor: the queue is full */
    struct wr_list receivers; /* of struct visitor: it is empty */
};

struct wr_channel *wr_channel_new(unsigned capacity, struct wr_error *err)
{
    struct wr_channel *channel = NULL;

    if (capacity > MAX_CAPACITY) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a channel holds at most %d values",
                      MAX_CAPACITY);
        return NULL;
    }
    channel = wr_calloc(1, sizeof *channel);
    if (!channel) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "channel");
        return NULL;
    }
    (void)pthread_mutex_init(&channel->lock, NULL);
    channel->capacity = capacity;
    wr_list_init(&channel->queue);
    wr_list_init(&channel->senders);
    wr_list_init(&channel->receivers);
    return channel;
}

struct wr_channel *wr_channel_free(struct wr_channel *channel)
{
    if (!channel)
        return NULL;
    wr_list_foreach(at, &channel->queue) {
        struct queued *one = wr_list_entry(at, struct queued, link);
        wr_value_free(one->value);
        free(one);
    }
    (void)pthread_mutex_destroy(&channel->lock);
    free(channel);
    return NULL;
}

static struct visitor *first_of(struct wr_list *list)
{
    return wr_list_empty(list) ? NULL : wr_container_of(list->next, struct visitor, waiter.link);
}

static void serve(struct visitor *visitor)
{
    wr_list_remove(&visitor->waiter.link);
    visitor->served = true;
    wr_waiter_wake(&visitor->waiter);
}

static int push(struct wr_channel *channel, struct wr_value *value, struct wr_error *err)
{
    struct queued *one = wr_calloc(1, sizeof *one);

    if (!one)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "channel");
    one->value = value;
    wr_list_append(&channel->queue, &one->link);
    channel->count++;
    return 0;
}

static struct wr_value *pop(struct wr_channel *channel)
{
    struct queued *one = wr_list_entry(channel->queue.next, struct queued, link);
    struct wr_value *value = one->value;
    struct visitor *sender = first_of(&channel->senders);

    wr_list_remove(&one->link);
    if (sender) {
        /* Its place is free now, for who waited for one. */
        one->value = sender->value;
        wr_list_append(&channel->queue, &one->link);
        serve(sender);
    } else {
        channel->count--;
        free(one);
    }
    return value;
}

/* Waits in `line`, the lock held; true when it was served, else `r` or `turned_away` says why. */
static bool wait_in(struct wr_channel *channel, struct wr_list *line, struct visitor *visitor,
                    struct wr_workflow *workflow, int *ret_r, struct wr_error *err)
{
    wr_list_append(line, &visitor->waiter.link);
    (void)pthread_mutex_unlock(&channel->lock);
    *ret_r = wr_waiter_wait(&visitor->waiter, workflow, 0, err);
    (void)pthread_mutex_lock(&channel->lock);
    wr_list_remove(&visitor->waiter.link);
    return visitor->served;
}

static int fail_closed(struct wr_error *err)
{
    return wr_fail(err, WR_E_ABORTED, 0, "the channel is closed");
}

static int send_locked(struct wr_channel *channel, struct visitor *self,
                       struct wr_workflow *workflow, struct wr_error *err)
{
    struct visitor *receiver = first_of(&channel->receivers);
    int r = 0;

    if (channel->closed)
        return fail_closed(err);
    if (receiver) {
        receiver->value = self->value;
        serve(receiver);
        return 0;
    }
    if (channel->count < channel->capacity)
        return push(channel, self->value, err);
    if (wait_in(channel, &channel->senders, self, workflow, &r, err))
        return 0;
    return self->turned_away ? fail_closed(err) : r;
}

int wr_channel_send(struct wr_channel *channel, struct wr_workflow *workflow,
                    struct wr_value *value, struct wr_error *err)
{
    struct visitor self = {.value = value};

    if (!value)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "there is no value to send (NULL)");
    int r = workflow ? wr_workflow_check(workflow, err) : 0;
    if (r == 0)
        r = wr_waiter_init(&self.waiter, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&channel->lock);
    r = send_locked(channel, &self, workflow, err);
    (void)pthread_mutex_unlock(&channel->lock);
    wr_waiter_done(&self.waiter);
    return r;
}

static int receive_locked(struct wr_channel *channel, struct visitor *self,
                          struct wr_workflow *workflow, struct wr_error *err)
{
    struct visitor *sender = first_of(&channel->senders);
    int r = 0;

    if (channel->count > 0) {
        self->value = pop(channel);
        return 0;
    }
    if (sender) {
        self->value = sender->value;
        serve(sender);
        return 0;
    }
    if (!channel->closed) {
        if (wait_in(channel, &channel->receivers, self, workflow, &r, err))
            return 0;
        if (!self->turned_away)
            return r;
    }
    return wr_fail(err, WR_E_OUT_OF_RANGE, 0, "the channel is closed, and empty");
}

int wr_channel_receive(struct wr_channel *channel, struct wr_workflow *workflow,
                       struct wr_value **ret, struct wr_error *err)
{
    struct visitor self = {0};

    int r = workflow ? wr_workflow_check(workflow, err) : 0;
    if (r == 0)
        r = wr_waiter_init(&self.waiter, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&channel->lock);
    r = receive_locked(channel, &self, workflow, err);
    (void)pthread_mutex_unlock(&channel->lock);
    wr_waiter_done(&self.waiter);
    if (r == 0)
        *ret = self.value;
    return r;
}

void wr_channel_close(struct wr_channel *channel)
{
    struct wr_list *const lines[] = {&channel->senders, &channel->receivers};

    (void)pthread_mutex_lock(&channel->lock);
    channel->closed = true;
    for (size_t i = 0; i < WR_ARRAY_SIZE(lines); i++)
        for (struct visitor *one; (one = first_of(lines[i]));) {
            wr_list_remove(&one->waiter.link);
            one->turned_away = true;
            wr_waiter_wake(&one->waiter);
        }
    (void)pthread_mutex_unlock(&channel->lock);
}
