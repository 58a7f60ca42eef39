#include "cli/keep_alive.h"

#include "base/str.h"

#define EVERY_MS 60000

static void on_answer(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    (void)call;
    (void)error; /* the sandbox's own end tells more */
    (void)data;
}

static void on_timer(struct wr_timer *timer, void *data);

static void arm(struct wr_keep_alive *keep)
{
    struct wr_error ignored = {0};

    /* Without it the sandbox ends at its deadline, which is an error of its own. */
    (void)!wr_timer_start(wr_transport_loop(keep->client), &keep->timer, EVERY_MS, on_timer, keep,
                          &ignored);
}

static void on_timer(struct wr_timer *timer, void *data)
{
    static const struct wr_transport_ops ops = {.on_end = on_answer};
    struct wr_keep_alive *keep = data;
    struct wr_error ignored = {0};
    char target[80], body[32];

    (void)timer;
    /* Not "connect": that would resume what somebody has paused. */
    if (wr_strformat(target, sizeof target, "/sandboxes/%s/refreshes", keep->sandbox_id) &&
        wr_strformat(body, sizeof body, "{\"duration\":%d}", WR_API_SANDBOX_TIMEOUT_S)) {
        const struct wr_transport_request request = {.method = "POST",
                                                     .target = target,
                                                     .content_type = "application/json",
                                                     .body = body,
                                                     .body_len = strlen(body)};
        (void)!wr_transport_begin(keep->client, &request, &ops, NULL, NULL, &ignored);
    }
    arm(keep);
}

void wr_keep_alive_start(struct wr_keep_alive *keep, struct wr_transport *client,
                         const char *sandbox_id)
{
    *keep = (struct wr_keep_alive){.client = client};
    if (wr_strcopy(keep->sandbox_id, sizeof keep->sandbox_id, sandbox_id))
        arm(keep);
}

void wr_keep_alive_stop(struct wr_keep_alive *keep)
{
    wr_timer_stop(&keep->timer);
}
