/*
 * One connection to a Redis: made when it is needed, made again after it broke, with a growing
 * pause after failures in which calls fail at once. Commands are written and answers read by
 * hiredis; the socket is ours, so that every wait has an end. For one thread at a time.
 */
#pragma once

#include <hiredis/hiredis.h>

#include "primitives/cache/redis_url.h"

/* For a call, with everything that it needs: a connection, AUTH, SELECT, a second attempt. */
#define WR_REDIS_CALL_MS 1000

struct wr_redis_link {
    struct wr_redis_target target; /* wiped by wr_redis_link_done() */
    /* private: */
    uint64_t call_ms; /* WR_REDIS_CALL_MS, but for tests */
    int fd;           /* -1: not connected */
    redisReader *reader;
    uint64_t not_before_ms; /* of CLOCK_MONOTONIC: no attempt to connect */
    unsigned failures;      /* in a row */
};

/* `link->target` is set. */
void wr_redis_link_init(struct wr_redis_link *link);
void wr_redis_link_done(struct wr_redis_link *link);

struct wr_redis_command {
    const char *const *words;
    const size_t *lens; /* NULL: they end with NUL */
    size_t count;
};
/* *ret is to be given to freeReplyObject(). UNAVAILABLE, also for an answer that is an error;
 * DEADLINE_EXCEEDED. Sent twice at most: the commands of a cache may be repeated. */
int wr_redis_call(struct wr_redis_link *link, const struct wr_redis_command *command,
                  redisReply **ret, struct wr_error *err) WR_MUST_CHECK;

#define WR_REDIS_WORDS(...)                                                                 \
    (&(const struct wr_redis_command){.words = (const char *const[]){__VA_ARGS__},          \
                                      .count = sizeof((const char *const[]){__VA_ARGS__}) / \
                                               sizeof(char *)})
