#include "burst.h"

#include <errno.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "calls.h"

/* Time for the pools to fill again between rounds. */
#define PAUSE_MS 200

struct burst {
    struct wr_transport *client;
    const struct wr_burst_opts *opts;
    struct wr_call *calls;        /* owned; `count` */
    char (*ids)[WR_ID_LEN + 1];   /* owned; `count` */
    struct wr_series_set *series; /* borrowed */
};

enum kind { CONNECT = 0, CREATE = 1, KILL = 2 };

static int begin(struct burst *b, enum kind kind, size_t i, size_t *running, struct wr_error *err)
{
    switch (kind) {
    case CONNECT:
        return wr_call_health(b->client, NULL, &b->calls[i], running, err);
    case CREATE:
        return wr_call_create(b->client, b->opts->template_name, &b->calls[i], running, err);
    case KILL:
        return wr_call_kill(b->client, b->ids[i], &b->calls[i], running, err);
    }
    return wr_fail(err, WR_E_INTERNAL, 0, "unknown kind of call");
}

/* All at once; *ret_us from before the first request until the last answer is complete. */
static int all(struct burst *b, enum kind kind, uint64_t *ret_us, struct wr_error *err)
{
    size_t running = 0;
    uint64_t start_us = wr_mono_us();
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < b->opts->count; i++)
        rc = begin(b, kind, i, &running, err);
    if (rc == 0)
        rc = wr_calls_wait(b->client, &running, err);
    *ret_us = wr_mono_us() - start_us;
    for (size_t i = 0; rc == 0 && i < b->opts->count; i++)
        rc = wr_call_check(&b->calls[i], kind == CREATE ? b->ids[i] : NULL, err);
    return rc;
}

static int one_round(struct burst *b, struct wr_error *err)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    uint64_t connect_us = 0, create_us = 0, kill_us = 0;
    int rc = all(b, CONNECT, &connect_us, err);

    if (rc == 0)
        rc = all(b, CREATE, &create_us, err);
    if (rc == 0)
        rc = wr_series_add(b->series, "creates_at_once", create_us, err);
    for (size_t i = 0; rc == 0 && i < b->opts->count; i++)
        rc = wr_series_add(b->series, "create_in_burst",
                           b->calls[i].ended_us - b->calls[i].started_us, err);
    if (rc == 0)
        rc = all(b, KILL, &kill_us, err);
    if (rc == 0)
        rc = wr_series_add(b->series, "kills_at_once", kill_us, err);
    (void)nanosleep(&pause, NULL);
    return rc;
}

int wr_burst_run(struct wr_transport *client, const struct wr_burst_opts *opts,
                 struct wr_series_set *ret, struct wr_error *err)
{
    wr_auto_free struct wr_call *calls = wr_calloc(opts->count, sizeof(*calls));
    wr_auto_free char(*ids)[WR_ID_LEN + 1] = wr_calloc(opts->count, sizeof(*ids));
    struct burst b = {.client = client, .opts = opts, .calls = calls, .ids = ids, .series = ret};
    int rc = 0;

    if (!calls || !ids)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "keep %u calls", opts->count);
    for (unsigned round = 0; rc == 0 && round < opts->warm_up + opts->rounds; round++) {
        ret->paused = round < opts->warm_up;
        rc = one_round(&b, err);
    }
    return rc;
}
