/* Tasks by their numbers, handed out in order to threads; and the count of what became of them.
 * Thread-safe. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct wr_task_counts {
    size_t succeeded, failed, skipped;
    unsigned max_running;
};

struct wr_task_queue {
    pthread_mutex_t lock;
    size_t count, next;
    bool stopped;
    unsigned running;
    struct wr_task_counts counts; /* once all threads have ended */
};

void wr_task_queue_init(struct wr_task_queue *queue, size_t count);
void wr_task_queue_done(struct wr_task_queue *queue);
/* The next task, or false: none is left, or the queue was stopped. */
bool wr_task_queue_take(struct wr_task_queue *queue, size_t *ret_index);
/* One that was taken has ended. */
void wr_task_queue_end(struct wr_task_queue *queue, bool succeeded);
/* The tasks that were not taken are skipped. True for the first call. */
bool wr_task_queue_stop(struct wr_task_queue *queue);
