#include "server/ingress/waking.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "server/pausing.h"
#include "server/server.h"
#include "server/settings.h"

#define LEAST_LIFE_MS ((uint64_t)WR_TIMEOUT_DEFAULT_S * 1000)

/* Outlives a waking that is cancelled: the resume's answer frees it. */
struct wr_waking_wait {
    struct wr_waking *waking; /* NULL: cancelled */
};

static void on_resumed(const struct wr_error *error, void *data)
{
    struct wr_waking_wait *wait = data;
    struct wr_waking *waking = wait->waking;

    free(wait);
    if (!waking)
        return;
    waking->wait = NULL;
    waking->fn(waking, error);
}

/* What it was created with, at least the default, at most what the operator allows. */
static uint64_t lifetime_ms(const struct wr_server *server, const struct wr_sandbox *sandbox)
{
    return WR_MIN(WR_MAX(sandbox->timeout_ms, LEAST_LIFE_MS),
                  (uint64_t)server->config->timeout_max_s * 1000);
}

bool wr_waking_possible(const struct wr_sandbox *sandbox)
{
    return wr_settings_auto_resume(sandbox->settings) && wr_pausing_keeps_memory(sandbox);
}

int wr_waking_start(struct wr_waking *waking, struct wr_server *server, struct wr_sandbox *sandbox,
                    struct wr_error *err)
{
    const struct wr_resume_wish wish = {
        .timeout_ms = lifetime_ms(server, sandbox), .memory = true, .cause = {.reason = "traffic"}};
    struct wr_waking_wait *wait = wr_calloc(1, sizeof *wait);

    if (!wait)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "resume of the sandbox");
    int r = wr_resume(server, sandbox, &wish, on_resumed, wait, err);
    if (r < 0) {
        free(wait);
        return r;
    }
    wait->waking = waking;
    waking->wait = wait;
    return 0;
}

void wr_waking_cancel(struct wr_waking *waking)
{
    if (!waking->wait)
        return;
    waking->wait->waking = NULL;
    waking->wait = NULL;
}
