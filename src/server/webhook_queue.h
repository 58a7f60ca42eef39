/*
 * What one webhook has still to be told, and in which order: a window of events, in the order of
 * their ids. Events of different sandboxes go out side by side, those of one sandbox one after the
 * other: one that fails holds back what comes behind it of the same sandbox. After several failures
 * in a row the whole webhook waits. Pure: no clock, no I/O.
 */
#pragma once

#include <stdbool.h>

#include "base/base.h"
#include "engine/action.h"

#define WR_WEBHOOK_WINDOW     128 /* events that are looked at */
#define WR_WEBHOOK_FLIGHTS    4   /* of these under way at the same time */
#define WR_WEBHOOK_RETRY_MS   1000
#define WR_WEBHOOK_RETRY_MAX  ((uint64_t)10 * 60 * 1000)
#define WR_WEBHOOK_GIVE_UP_MS ((uint64_t)24 * 3600 * 1000) /* age of an event */
#define WR_WEBHOOK_PATIENCE   8  /* failures in a row until the webhook waits as a whole */
#define WR_WEBHOOK_ATTEMPTS   12 /* of an event whose receiver takes others: about half an hour */

struct wr_webhook_item {
    uint64_t event_id;
    uint64_t at_ms;     /* of the event, wall clock */
    uint64_t due_ms;    /* monotonic: not before */
    uint64_t failed_ms; /* monotonic: first failure */
    unsigned attempts;
    bool flying, done;
    char sandbox_id[WR_ID_LEN + 1];
};

/* Zeroed: empty. */
struct wr_webhook_queue {
    struct wr_webhook_item items[WR_WEBHOOK_WINDOW];
    size_t count, flying;
    uint64_t seen;     /* the last event that was looked at, whether or not it was wanted */
    unsigned failures; /* in a row */
    uint64_t done_ms;  /* monotonic: when one was taken for the last time */
    uint64_t due_ms;   /* monotonic: nothing before */
};

/* Forgets everything; goes on behind `cursor`. Nothing may be flying. */
void wr_webhook_queue_reset(struct wr_webhook_queue *queue, uint64_t cursor);
size_t wr_webhook_queue_room(const struct wr_webhook_queue *queue);
/* An event that is wanted; there must be room, and its id is above all seen before. */
void wr_webhook_queue_add(struct wr_webhook_queue *queue, uint64_t event_id, const char *sandbox_id,
                          uint64_t at_ms);
/* One that is not. */
void wr_webhook_queue_skip(struct wr_webhook_queue *queue, uint64_t event_id);
/* The id of the next event to be sent, which is flying from now on; 0: none now, and `*ret_due_ms`
 * says when there may be one without further news (UINT64_MAX: never). */
uint64_t wr_webhook_queue_take(struct wr_webhook_queue *queue, uint64_t now_ms,
                               uint64_t *ret_due_ms);
/* It has arrived, or is not to be sent any more. */
void wr_webhook_queue_done(struct wr_webhook_queue *queue, uint64_t event_id, uint64_t now_ms);
/* It has not. `spread` is random: the pause is between half and the whole of what the number of
 * attempts says. True: it is given up, being older than WR_WEBHOOK_GIVE_UP_MS, or refused
 * WR_WEBHOOK_ATTEMPTS times by a receiver that has taken another one meanwhile. */
bool wr_webhook_queue_failed(struct wr_webhook_queue *queue, uint64_t event_id, uint64_t now_ms,
                             uint64_t wall_ms, uint32_t spread);
/* It was cut off, not refused: it is sent again. */
void wr_webhook_queue_land(struct wr_webhook_queue *queue, uint64_t event_id);
/* The webhook is another one now: nothing waits any more. */
void wr_webhook_queue_hurry(struct wr_webhook_queue *queue);
/* Up to this event nothing is left to be done. */
uint64_t wr_webhook_queue_cursor(const struct wr_webhook_queue *queue);
