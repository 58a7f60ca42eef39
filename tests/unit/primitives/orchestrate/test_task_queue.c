#include "primitives/orchestrate/task_queue.h"
#include "test.h"

TEST(in_order)
{
    struct wr_task_queue queue;
    size_t index = 99;

    wr_task_queue_init(&queue, 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK(wr_task_queue_take(&queue, &index));
        CHECK_INT(index, i);
        wr_task_queue_end(&queue, i != 1);
    }
    CHECK(!wr_task_queue_take(&queue, &index));
    CHECK(wr_task_queue_stop(&queue));
    CHECK_INT(queue.counts.succeeded, 2);
    CHECK_INT(queue.counts.failed, 1);
    CHECK_INT(queue.counts.skipped, 0);
    CHECK_INT(queue.counts.max_running, 1);
    wr_task_queue_done(&queue);
}

TEST(what_is_left_when_it_is_stopped)
{
    struct wr_task_queue queue;
    size_t index = 0;

    wr_task_queue_init(&queue, 5);
    CHECK(wr_task_queue_take(&queue, &index));
    CHECK(wr_task_queue_take(&queue, &index));
    CHECK(wr_task_queue_stop(&queue));
    CHECK(!wr_task_queue_stop(&queue));
    CHECK(!wr_task_queue_take(&queue, &index));
    wr_task_queue_end(&queue, true);
    wr_task_queue_end(&queue, false);
    CHECK_INT(queue.counts.skipped, 3);
    CHECK_INT(queue.counts.max_running, 2);
    wr_task_queue_done(&queue);
}
