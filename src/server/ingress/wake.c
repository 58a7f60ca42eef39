#include "server/ingress/wake.h"

#include <errno.h>

#include "base/alloc.h"
#include "server/ingress/answers.h"
#include "server/ingress/waking.h"
#include "server/server.h"

/* A request that waits. */
struct sleeper {
    struct wr_wake wake;
    struct wr_waking waking;
    char id[WR_ID_LEN + 1];
};

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct sleeper *sleeper = data;

    (void)ex;
    (void)aborted;
    wr_waking_cancel(&sleeper->waking);
    free(sleeper);
}

static const struct wr_exchange_ops waiting_ops = {.on_close = on_close};

static void on_awake(struct wr_waking *waking, const struct wr_error *error)
{
    static const struct wr_exchange_ops no_ops;
    struct sleeper *sleeper = wr_container_of(waking, struct sleeper, waking);
    const struct wr_wake *wake = &sleeper->wake;

    wr_exchange_set_ops(wake->ex, &no_ops, NULL);
    wr_exchange_pause(wake->ex, false);
    if (error)
        wr_ingress_failed(wake->ex, sleeper->id, error);
    else
        wake->go_on(wake->server, wake->ex, sleeper->id, wake->port, wake->tls);
    free(sleeper);
}

static void wait_for(const struct wr_wake *wake, struct wr_sandbox *sandbox)
{
    struct sleeper *sleeper = wr_calloc(1, sizeof *sleeper);
    struct wr_error error = {0};

    if (!sleeper) {
        (void)wr_fail(&error, WR_E_UNAVAILABLE, ENOMEM, "resume of the sandbox");
        wr_ingress_failed(wake->ex, sandbox->id, &error);
        return;
    }
    sleeper->wake = *wake;
    sleeper->waking.fn = on_awake;
    memcpy(sleeper->id, sandbox->id, sizeof sleeper->id);
    if (wr_waking_start(&sleeper->waking, wake->server, sandbox, &error) < 0) {
        wr_ingress_failed(wake->ex, sandbox->id, &error);
        free(sleeper);
        return;
    }
    wr_exchange_set_ops(wake->ex, &waiting_ops, sleeper);
    wr_exchange_pause(wake->ex, true);
}

/* The agent is asleep: its token is checked here. */
static bool has_agent_token(const struct wr_exchange *ex, const struct wr_sandbox *sandbox)
{
    size_t len = strlen(sandbox->envd_token);
    const struct wr_h1_header *given = wr_h1_find(wr_exchange_head(ex), "X-Access-Token");

    return len == 0 || (given && given->value_len == len &&
                        wr_memeq_consttime(given->value, sandbox->envd_token, len));
}

/* False: answered. */
static bool admit(const struct wr_wake *wake, const struct wr_sandbox *sandbox)
{
    enum wr_ingress_access access =
        wr_ingress_access_check(sandbox, wake->port, wr_exchange_head(wake->ex));
    const char *reserved = wr_ingress_reserved_path(wake->ex, wake->port);

    if (access != WR_ACCESS_GRANTED)
        wr_ingress_forbidden(wake->ex, sandbox->id, access);
    else if (reserved)
        wr_ingress_reserved(wake->ex, reserved);
    else if (wake->port == WR_AGENT_PORT && !has_agent_token(wake->ex, sandbox))
        wr_ingress_asleep(wake->ex, sandbox->id);
    else
        return true;
    return false;
}

void wr_wake(const struct wr_wake *wake, struct wr_sandbox *sandbox)
{
    bool wakes = wr_waking_possible(sandbox);

    if (!wakes && sandbox->state == WR_SANDBOX_PAUSED)
        wr_ingress_no_sandbox(wake->ex, sandbox->id);
    else if (!wakes)
        wr_ingress_changing(wake->ex, sandbox->id);
    else if (admit(wake, sandbox))
        wait_for(wake, sandbox);
}
