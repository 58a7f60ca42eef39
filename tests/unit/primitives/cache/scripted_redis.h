/*
 * A server on a Unix socket that answers each command with the next line of a script and notes what
 * it got. One connection after the other.
 */
#pragma once

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"

#define HANG_UP "hang up" /* an answer: the connection is closed instead */
#define SILENCE "silence" /* there is none, until the other side gives up */

struct scripted_redis {
    const char *const *answers; /* NULL at the end: closed then, and no more connections */
    char dir[40], path[64], url[80];
    char seen[8192]; /* all that was received */
    int listener, connections;
    pthread_t thread;
};

static inline void scripted_redis_serve(struct scripted_redis *redis, int fd)
{
    char bytes[4096];
    ssize_t n = 0;
    /* A command of a test comes in one piece: it is short, and sent by one call. */
    while (*redis->answers && (n = read(fd, bytes, sizeof bytes)) > 0) {
        const char *answer = *redis->answers++;
        size_t used = strlen(redis->seen);
        (void)snprintf(redis->seen + used, sizeof redis->seen - used, "%.*s", (int)n, bytes);
        if (strcmp(answer, HANG_UP) == 0)
            break;
        if (strcmp(answer, SILENCE) == 0) {
            CHECK_INT(read(fd, bytes, sizeof bytes), 0);
            break;
        }
        CHECK_INT(write(fd, answer, strlen(answer)), strlen(answer));
    }
    close(fd);
}

static inline void *scripted_redis_thread(void *data)
{
    struct scripted_redis *redis = data;
    while (*redis->answers) {
        int fd = accept(redis->listener, NULL, NULL);
        CHECK(fd >= 0);
        redis->connections++;
        scripted_redis_serve(redis, fd);
    }
    close(redis->listener);
    return NULL;
}

static inline void scripted_redis_start(struct scripted_redis *redis, const char *const *answers)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *redis = (struct scripted_redis){.answers = answers, .dir = "/tmp/warren-redis-XXXXXX"};
    CHECK(mkdtemp(redis->dir));
    (void)snprintf(redis->path, sizeof redis->path, "%s/s", redis->dir);
    (void)snprintf(redis->url, sizeof redis->url, "unix://%s", redis->path);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", redis->path);
    redis->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_INT(bind(redis->listener, (const struct sockaddr *)&address, sizeof address), 0);
    CHECK_INT(listen(redis->listener, 8), 0);
    CHECK_INT(pthread_create(&redis->thread, NULL, scripted_redis_thread, redis), 0);
}

/* The whole script has been used. */
static inline void scripted_redis_end(struct scripted_redis *redis)
{
    CHECK_INT(pthread_join(redis->thread, NULL), 0);
    CHECK_INT(unlink(redis->path), 0);
    CHECK_INT(rmdir(redis->dir), 0);
}
