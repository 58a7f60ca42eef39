#include "primitives/observe/export_queue.h"
#include "test.h"

TEST(both_bounds_hold)
{
    struct wr_export_queue queue;

    wr_export_queue_init(&queue, 3, 10);
    CHECK(wr_export_queue_push(&queue, "aaaa", 4));
    CHECK(!wr_export_queue_push(&queue, "bbbbbbb", 7)); /* 11 bytes */
    CHECK(wr_export_queue_push(&queue, "bbbbbb", 6));   /* 10 */
    CHECK(!wr_export_queue_push(&queue, "c", 1));
    wr_export_queue_done(&queue);

    wr_export_queue_init(&queue, 3, 10);
    for (int i = 0; i < 3; i++)
        CHECK(wr_export_queue_push(&queue, "x", 1));
    CHECK(!wr_export_queue_push(&queue, "x", 1));
    CHECK_INT(queue.count, 3);
    CHECK_INT(queue.bytes, 3);
    wr_export_queue_done(&queue);
    CHECK_INT(queue.count, 0);
}

TEST(taking_keeps_the_order_and_both_bounds)
{
    struct wr_export_queue queue;
    wr_auto_buf out = WR_BUF(100);

    wr_export_queue_init(&queue, 10, 100);
    for (const char *c = "abcdef"; *c; c++)
        CHECK(wr_export_queue_push(&queue, (char[]){*c, *c}, 2));
    CHECK_INT(wr_export_queue_take(&queue, 2, 100, &out), 2);
    CHECK_STR(wr_buf_cstr(&out), "aa,bb");
    wr_buf_clear(&out);
    CHECK_INT(wr_export_queue_take(&queue, 100, 5, &out), 2);
    CHECK_STR(wr_buf_cstr(&out), "cc,dd");
    wr_buf_clear(&out);
    CHECK_INT(wr_export_queue_take(&queue, 100, 1, &out), 1); /* one in any case */
    CHECK_STR(wr_buf_cstr(&out), "ee");
    CHECK_INT(queue.count, 1);
    wr_export_queue_done(&queue);
}

TEST(what_has_no_room_stays)
{
    struct wr_export_queue queue;
    wr_auto_buf out = WR_BUF(4);

    wr_export_queue_init(&queue, 10, 100);
    CHECK(wr_export_queue_push(&queue, "aa", 2));
    CHECK(wr_export_queue_push(&queue, "bb", 2));
    CHECK_INT(wr_export_queue_take(&queue, 10, 100, &out), 1);
    CHECK_INT(queue.count, 1);
    CHECK_STR(wr_buf_cstr(&out), "aa");
    wr_export_queue_done(&queue);
}
