#include "primitives/observe/export_queue.h"

#include <stdlib.h>
#include <string.h>

struct item {
    struct wr_list link;
    size_t len;
    char text[];
};

void wr_export_queue_init(struct wr_export_queue *queue, size_t max_count, size_t max_bytes)
{
    *queue = (struct wr_export_queue){.max_count = max_count, .max_bytes = max_bytes};
    wr_list_init(&queue->items);
}

static void drop_first(struct wr_export_queue *queue)
{
    struct item *item = wr_list_entry(queue->items.next, struct item, link);

    wr_list_remove(&item->link);
    queue->count--;
    queue->bytes -= item->len;
    free(item);
}

void wr_export_queue_done(struct wr_export_queue *queue)
{
    while (queue->items.next && !wr_list_empty(&queue->items))
        drop_first(queue);
}

bool wr_export_queue_push(struct wr_export_queue *queue, const char *text, size_t len)
{
    if (queue->count >= queue->max_count || len > queue->max_bytes - queue->bytes)
        return false;
    struct item *item = malloc(sizeof *item + len);
    if (!item)
        return false;
    item->link = (struct wr_list){0};
    item->len = len;
    memcpy(item->text, text, len);
    wr_list_append(&queue->items, &item->link);
    queue->count++;
    queue->bytes += len;
    return true;
}

size_t wr_export_queue_take(struct wr_export_queue *queue, size_t max_count, size_t max_bytes,
                            struct wr_buf *out)
{
    size_t count = 0, bytes = 0;

    while (!wr_list_empty(&queue->items) && count < max_count) {
        const struct item *item = wr_list_entry(queue->items.next, struct item, link);
        char *room = NULL;
        if (count > 0 && bytes + item->len > max_bytes)
            break;
        room = wr_buf_reserve(out, item->len + 1);
        if (!room)
            break;
        size_t comma = count > 0;
        room[0] = ',';
        memcpy(room + comma, item->text, item->len);
        wr_buf_commit(out, item->len + comma);
        bytes += item->len;
        count++;
        drop_first(queue);
    }
    return count;
}
