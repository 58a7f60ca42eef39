#include "server/webhook_queue.h"

#include <assert.h>
#include <string.h>

#include "base/str.h"

static struct wr_webhook_item *find(struct wr_webhook_queue *queue, uint64_t event_id)
{
    for (size_t i = 0; i < queue->count; i++)
        if (queue->items[i].event_id == event_id)
            return &queue->items[i];
    return NULL;
}

void wr_webhook_queue_reset(struct wr_webhook_queue *queue, uint64_t cursor)
{
    assert(queue->flying == 0);
    *queue = (struct wr_webhook_queue){.seen = cursor};
}

size_t wr_webhook_queue_room(const struct wr_webhook_queue *queue)
{
    return WR_WEBHOOK_WINDOW - queue->count;
}

void wr_webhook_queue_add(struct wr_webhook_queue *queue, uint64_t event_id, const char *sandbox_id,
                          uint64_t at_ms)
{
    struct wr_webhook_item *item = &queue->items[queue->count];

    assert(queue->count < WR_WEBHOOK_WINDOW && event_id > queue->seen);
    *item = (struct wr_webhook_item){.event_id = event_id, .at_ms = at_ms};
    /* What is longer is no id of ours: then all such are taken for one sandbox. */
    (void)!wr_strcopy(item->sandbox_id, sizeof item->sandbox_id, sandbox_id);
    queue->count++;
    queue->seen = event_id;
}

void wr_webhook_queue_skip(struct wr_webhook_queue *queue, uint64_t event_id)
{
    queue->seen = event_id;
}

/* Whether an earlier event of the same sandbox is still to be sent. */
static bool held_back(const struct wr_webhook_queue *queue, const struct wr_webhook_item *item)
{
    for (const struct wr_webhook_item *other = queue->items; other < item; other++)
        if (wr_streq(other->sandbox_id, item->sandbox_id))
            return true;
    return false;
}

/* While nothing arrives, one attempt at a time is enough to see whether that has changed. */
static size_t most_flying(const struct wr_webhook_queue *queue)
{
    return queue->failures >= WR_WEBHOOK_PATIENCE ? 1 : WR_WEBHOOK_FLIGHTS;
}

uint64_t wr_webhook_queue_take(struct wr_webhook_queue *queue, uint64_t now_ms,
                               uint64_t *ret_due_ms)
{
    uint64_t first_ms = UINT64_MAX;

    *ret_due_ms = UINT64_MAX;
    if (queue->flying >= most_flying(queue))
        return 0;
    for (size_t i = 0; i < queue->count; i++) {
        struct wr_webhook_item *item = &queue->items[i];
        uint64_t due_ms = WR_MAX(item->due_ms, queue->due_ms);
        if (item->flying || held_back(queue, item))
            continue;
        if (due_ms > now_ms) {
            first_ms = WR_MIN(first_ms, due_ms);
            continue;
        }
        item->flying = true;
        queue->flying++;
        return item->event_id;
    }
    *ret_due_ms = first_ms;
    return 0;
}

/* What is done leaves the window. */
static void trim(struct wr_webhook_queue *queue)
{
    size_t kept = 0;

    for (size_t i = 0; i < queue->count; i++)
        if (!queue->items[i].done)
            queue->items[kept++] = queue->items[i];
    queue->count = kept;
}

static void land(struct wr_webhook_queue *queue, struct wr_webhook_item *item)
{
    if (item->flying)
        queue->flying--;
    item->flying = false;
}

void wr_webhook_queue_done(struct wr_webhook_queue *queue, uint64_t event_id, uint64_t now_ms)
{
    struct wr_webhook_item *item = find(queue, event_id);

    if (!item)
        return;
    land(queue, item);
    item->done = true;
    queue->failures = 0;
    queue->due_ms = 0;
    queue->done_ms = now_ms;
    trim(queue);
}

/* 1 s, 2 s, 4 s ... 10 min, for the first, second, third ... failure; between half of it and all.
 */
static uint64_t pause_ms(unsigned failures, uint32_t spread)
{
    unsigned doublings = WR_MIN(failures - 1, 16U);
    uint64_t ms = WR_MIN((uint64_t)WR_WEBHOOK_RETRY_MS << doublings, WR_WEBHOOK_RETRY_MAX);

    return ms - ms / 2 * spread / UINT32_MAX;
}

bool wr_webhook_queue_failed(struct wr_webhook_queue *queue, uint64_t event_id, uint64_t now_ms,
                             uint64_t wall_ms, uint32_t spread)
{
    struct wr_webhook_item *item = find(queue, event_id);

    if (!item)
        return false;
    land(queue, item);
    if (queue->failures < UINT32_MAX)
        queue->failures++;
    if (queue->failures >= WR_WEBHOOK_PATIENCE)
        queue->due_ms = now_ms + pause_ms(queue->failures - WR_WEBHOOK_PATIENCE + 1, spread);
    if (item->attempts++ == 0)
        item->failed_ms = now_ms;
    item->due_ms = now_ms + pause_ms(item->attempts, spread);
    bool old = wall_ms > item->at_ms && wall_ms - item->at_ms > WR_WEBHOOK_GIVE_UP_MS;
    bool refused = item->attempts >= WR_WEBHOOK_ATTEMPTS && queue->done_ms > item->failed_ms;
    item->done = old || refused;
    trim(queue);
    return old || refused;
}

void wr_webhook_queue_land(struct wr_webhook_queue *queue, uint64_t event_id)
{
    struct wr_webhook_item *item = find(queue, event_id);

    if (item)
        land(queue, item);
}

void wr_webhook_queue_hurry(struct wr_webhook_queue *queue)
{
    queue->failures = 0;
    queue->due_ms = 0;
    for (size_t i = 0; i < queue->count; i++)
        queue->items[i].due_ms = 0;
}

uint64_t wr_webhook_queue_cursor(const struct wr_webhook_queue *queue)
{
    return queue->count > 0 ? queue->items[0].event_id - 1 : queue->seen;
}
