#include "primitives/orchestrate/task_queue.h"

#include "base/base.h"

void wr_task_queue_init(struct wr_task_queue *queue, size_t count)
{
    *queue = (struct wr_task_queue){.count = count};
    (void)pthread_mutex_init(&queue->lock, NULL);
}

void wr_task_queue_done(struct wr_task_queue *queue)
{
    (void)pthread_mutex_destroy(&queue->lock);
}

bool wr_task_queue_take(struct wr_task_queue *queue, size_t *ret_index)
{
    (void)pthread_mutex_lock(&queue->lock);
    bool taken = !queue->stopped && queue->next < queue->count;
    if (taken) {
        *ret_index = queue->next++;
        queue->running++;
        queue->counts.max_running = WR_MAX(queue->counts.max_running, queue->running);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return taken;
}

void wr_task_queue_end(struct wr_task_queue *queue, bool succeeded)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->running--;
    if (succeeded)
        queue->counts.succeeded++;
    else
        queue->counts.failed++;
    (void)pthread_mutex_unlock(&queue->lock);
}

bool wr_task_queue_stop(struct wr_task_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    bool first = !queue->stopped;
    queue->stopped = true;
    if (first)
        queue->counts.skipped = queue->count - queue->next;
    (void)pthread_mutex_unlock(&queue->lock);
    return first;
}
