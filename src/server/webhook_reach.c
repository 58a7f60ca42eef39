#include "server/webhook_reach.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "server/server.h"

#define REFRESH_MS     10000
#define MAX_OPEN_BYTES ((size_t)64 * 1024)

/* Ranges do not open metadata and this host's own addresses (guard.h). */
static const char everything[] = "0.0.0.0/0,::/0";

static int new_guards(struct wr_webhook_reach *reach, const char *open, struct wr_error *err)
{
    wr_auto_buf all = WR_BUF(MAX_OPEN_BYTES);
    bool more = open && *open;

    if (wr_buf_append_str(&all, everything) < 0 ||
        (more && (wr_buf_append_char(&all, ',') < 0 || wr_buf_append_str(&all, open) < 0)) ||
        !wr_buf_cstr(&all))
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "webhook-open");
    int r = wr_guard_new(open, &reach->anybody, err);
    return r == 0 ? wr_guard_new(wr_buf_ptr(&all), &reach->operator, err) : r;
}

int wr_webhook_reach_init(struct wr_webhook_reach *reach, const struct wr_server *server,
                          struct wr_error *err)
{
    const struct wr_server_config *config = server->config;
    struct wr_webhook_way *way = &reach->way;

    way->loop = server->loop;
    way->ca_pem = config->egress.ca_pem;
    wr_list_init(&way->tls_group.sessions);
    int r = new_guards(reach, config->webhook_open, err);
    /* The guard of a webhook looks at every address again, right before it is connected to. */
    if (r == 0)
        r = wr_resolver_new(server->loop, config->egress.dns_servers,
                            reach->operator, & way->resolver, err);
    if (r == 0)
        r = wr_net_policy_new(NULL, true, &way->policy, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < server->listener_count; i++) {
        if (server->listeners[i].kind == WR_LISTEN_LOCAL)
            continue;
        wr_guard_close_listener(reach->anybody, server->listeners[i].fd);
        wr_guard_close_listener(reach->operator, server->listeners[i].fd);
    }
    return 0;
}

void wr_webhook_reach_done(struct wr_webhook_reach *reach)
{
    SSL_CTX_free(wr_steal_ptr(&reach->way.tls));
    reach->way.resolver = wr_resolver_free(reach->way.resolver);
    reach->way.policy = wr_net_policy_put(reach->way.policy);
    reach->anybody = wr_guard_free(reach->anybody);
    reach->operator= wr_guard_free(reach->operator);
}

const struct wr_net_guard *wr_webhook_reach_guard(struct wr_webhook_reach *reach, bool local)
{
    uint64_t now_ms = wr_loop_now_ms(reach->way.loop);

    if (now_ms - reach->refreshed_ms >= REFRESH_MS) {
        reach->refreshed_ms = now_ms;
        wr_guard_refresh(reach->anybody);
        wr_guard_refresh(reach->operator);
    }
    return local ? reach->operator: reach->anybody;
}
