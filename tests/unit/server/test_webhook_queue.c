#include "server/webhook_queue.h"
#include "test.h"

#define A "aaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccc"

#define NOW  ((uint64_t)1000000) /* monotonic */
#define WALL ((uint64_t)1700000000000)
#define HOUR ((uint64_t)3600 * 1000)

static void add(struct wr_webhook_queue *queue, uint64_t id, const char *sandbox)
{
    wr_webhook_queue_add(queue, id, sandbox, WALL);
}

static uint64_t take(struct wr_webhook_queue *queue, uint64_t now_ms)
{
    uint64_t due_ms = 0;
    return wr_webhook_queue_take(queue, now_ms, &due_ms);
}

/* When the next attempt is due, of a queue of which nothing can start now. */
static uint64_t due(struct wr_webhook_queue *queue, uint64_t now_ms)
{
    uint64_t due_ms = 0;
    CHECK_INT(wr_webhook_queue_take(queue, now_ms, &due_ms), 0);
    return due_ms;
}

/* The longest pause. */
static bool fail(struct wr_webhook_queue *queue, uint64_t id, uint64_t now_ms)
{
    return wr_webhook_queue_failed(queue, id, now_ms, WALL, 0);
}

TEST(one_sandbox_one_after_the_other)
{
    struct wr_webhook_queue queue = {0};

    add(&queue, 1, A);
    add(&queue, 2, A);
    add(&queue, 3, B);
    CHECK_INT(take(&queue, NOW), 1);
    CHECK_INT(take(&queue, NOW), 3);
    CHECK(due(&queue, NOW) == UINT64_MAX);
    wr_webhook_queue_done(&queue, 3, NOW);
    CHECK_INT(take(&queue, NOW), 0);
    CHECK_INT(wr_webhook_queue_cursor(&queue), 0);
    wr_webhook_queue_done(&queue, 1, NOW);
    CHECK_INT(wr_webhook_queue_cursor(&queue), 1);
    CHECK_INT(take(&queue, NOW), 2);
    wr_webhook_queue_done(&queue, 2, NOW);
    CHECK_INT(wr_webhook_queue_cursor(&queue), 3);
    CHECK_INT(queue.count, 0);
}

TEST(a_failure_holds_back_its_sandbox_only)
{
    struct wr_webhook_queue queue = {0};

    add(&queue, 1, A);
    add(&queue, 2, A);
    add(&queue, 3, B);
    CHECK_INT(take(&queue, NOW), 1);
    CHECK(!fail(&queue, 1, NOW));
    CHECK_INT(take(&queue, NOW), 3);
    wr_webhook_queue_done(&queue, 3, NOW);
    CHECK_INT(due(&queue, NOW), NOW + WR_WEBHOOK_RETRY_MS);
    CHECK_INT(take(&queue, NOW + WR_WEBHOOK_RETRY_MS), 1);
    wr_webhook_queue_done(&queue, 1, NOW);
    CHECK_INT(take(&queue, NOW), 2);
}

TEST(only_so_many_at_a_time)
{
    struct wr_webhook_queue queue = {0};
    char id[WR_ID_LEN + 1] = A;

    for (uint64_t i = 1; i <= WR_WEBHOOK_WINDOW; i++) {
        id[0] = (char)('a' + i % 26);
        id[1] = (char)('a' + i / 26);
        add(&queue, i, id);
    }
    CHECK_INT(wr_webhook_queue_room(&queue), 0);
    for (uint64_t i = 1; i <= WR_WEBHOOK_FLIGHTS; i++)
        CHECK_INT(take(&queue, NOW), i);
    CHECK_INT(take(&queue, NOW), 0);
    wr_webhook_queue_done(&queue, 2, NOW);
    CHECK_INT(wr_webhook_queue_room(&queue), 1);
    CHECK_INT(take(&queue, NOW), WR_WEBHOOK_FLIGHTS + 1);
    CHECK_INT(take(&queue, NOW), 0);
}

TEST(pauses_grow_and_are_spread)
{
    struct wr_webhook_queue queue = {0};
    uint64_t now_ms = NOW, pause_ms = WR_WEBHOOK_RETRY_MS;

    add(&queue, 1, A);
    for (int i = 0; i < 30; i++) {
        CHECK_INT(take(&queue, now_ms), 1);
        CHECK(!fail(&queue, 1, now_ms));
        CHECK_INT(due(&queue, now_ms), now_ms + pause_ms);
        now_ms += pause_ms;
        pause_ms = WR_MIN(2 * pause_ms, WR_WEBHOOK_RETRY_MAX);
    }
    CHECK_INT(pause_ms, WR_WEBHOOK_RETRY_MAX);
    CHECK_INT(take(&queue, now_ms), 1);
    CHECK(!wr_webhook_queue_failed(&queue, 1, now_ms, WALL, UINT32_MAX));
    CHECK_INT(due(&queue, now_ms), now_ms + WR_WEBHOOK_RETRY_MAX / 2);
}

TEST(a_receiver_that_takes_nothing_is_asked_rarely)
{
    struct wr_webhook_queue queue = {0};
    const char *const sandboxes[] = {A, B, C};
    uint64_t now_ms = NOW;
    unsigned attempts = 0;

    for (uint64_t i = 0; i < 3; i++)
        add(&queue, i + 1, sandboxes[i]);
    for (; attempts < WR_WEBHOOK_PATIENCE; attempts++) {
        uint64_t due_ms = 0, id = wr_webhook_queue_take(&queue, now_ms, &due_ms);
        if (!id) {
            now_ms = due_ms;
            id = take(&queue, now_ms);
        }
        CHECK(id && !fail(&queue, id, now_ms));
    }
    CHECK_INT(due(&queue, now_ms + WR_WEBHOOK_RETRY_MS - 1), now_ms + WR_WEBHOOK_RETRY_MS);
    now_ms += HOUR;
    uint64_t id = take(&queue, now_ms);
    CHECK(id);
    CHECK_INT(take(&queue, now_ms), 0);
    wr_webhook_queue_done(&queue, id, now_ms);
    CHECK(take(&queue, now_ms) && take(&queue, now_ms));
}

TEST(what_is_too_old_is_given_up)
{
    struct wr_webhook_queue queue = {0};

    add(&queue, 1, A);
    CHECK_INT(take(&queue, NOW), 1);
    CHECK(!wr_webhook_queue_failed(&queue, 1, NOW, WALL + WR_WEBHOOK_GIVE_UP_MS, 0));
    CHECK_INT(take(&queue, NOW + HOUR), 1);
    CHECK(wr_webhook_queue_failed(&queue, 1, NOW, WALL + WR_WEBHOOK_GIVE_UP_MS + 1, 0));
    CHECK_INT(wr_webhook_queue_cursor(&queue), 1);
    CHECK_INT(take(&queue, NOW + HOUR), 0);
    /* A clock that was set back does not count as age. */
    add(&queue, 2, A);
    CHECK_INT(take(&queue, NOW + HOUR), 2);
    CHECK(!wr_webhook_queue_failed(&queue, 2, NOW, 0, 0));
}

TEST(what_alone_is_refused_is_given_up_sooner)
{
    for (int others = 0; others <= 1; others++) {
        struct wr_webhook_queue queue = {0};
        uint64_t now_ms = NOW;
        add(&queue, 1, A);
        add(&queue, 2, B);
        for (int i = 1; i < WR_WEBHOOK_ATTEMPTS; i++) {
            CHECK_INT(take(&queue, now_ms), 1);
            CHECK(!fail(&queue, 1, now_ms));
            if (i == 1) {
                CHECK_INT(take(&queue, now_ms), 2);
                if (others)
                    wr_webhook_queue_done(&queue, 2, now_ms + 1);
                else
                    wr_webhook_queue_land(&queue, 2);
            }
            now_ms += HOUR;
        }
        CHECK_INT(take(&queue, now_ms), 1);
        CHECK_INT(fail(&queue, 1, now_ms), others);
    }
}

TEST(what_is_not_wanted_counts_as_seen)
{
    struct wr_webhook_queue queue = {0};

    wr_webhook_queue_reset(&queue, 10);
    wr_webhook_queue_skip(&queue, 11);
    CHECK_INT(wr_webhook_queue_cursor(&queue), 11);
    add(&queue, 13, A);
    wr_webhook_queue_skip(&queue, 20);
    CHECK_INT(wr_webhook_queue_cursor(&queue), 12);
    CHECK_INT(take(&queue, NOW), 13);
    wr_webhook_queue_done(&queue, 13, NOW);
    CHECK_INT(wr_webhook_queue_cursor(&queue), 20);
}

TEST(what_was_cut_is_sent_again)
{
    struct wr_webhook_queue queue = {0};

    add(&queue, 1, A);
    CHECK_INT(take(&queue, NOW), 1);
    wr_webhook_queue_land(&queue, 1);
    wr_webhook_queue_land(&queue, 99);
    CHECK_INT(take(&queue, NOW), 1);
    CHECK(!fail(&queue, 1, NOW));
    CHECK_INT(take(&queue, NOW), 0);
    wr_webhook_queue_hurry(&queue);
    CHECK_INT(take(&queue, NOW), 1);
    wr_webhook_queue_land(&queue, 1);
    wr_webhook_queue_reset(&queue, 5);
    CHECK_INT(wr_webhook_queue_room(&queue), WR_WEBHOOK_WINDOW);
    CHECK_INT(wr_webhook_queue_cursor(&queue), 5);
}
