#include "server/ingress/access.h"

#include "http/server.h"

enum wr_ingress_access wr_ingress_access_check(const struct wr_sandbox *sandbox, uint16_t port,
                                               const struct wr_h1_head *head)
{
    size_t len = strlen(sandbox->traffic_token);

    if (len == 0 || port == WR_AGENT_PORT)
        return WR_ACCESS_GRANTED;
    const struct wr_h1_header *given = wr_h1_find(head, WR_INGRESS_TOKEN);
    if (!given || given->value_len == 0)
        return WR_ACCESS_NO_TOKEN;
    /* The length of a token is no secret. */
    if (given->value_len != len || !wr_memeq_consttime(given->value, sandbox->traffic_token, len))
        return WR_ACCESS_BAD_TOKEN;
    return WR_ACCESS_GRANTED;
}

const char *wr_ingress_reserved_path(const struct wr_exchange *ex, uint16_t port)
{
    static const char content[] = "/volumecontent"; /* and everything below */
    static const char *const paths[] = {
        "/init", "/freeze", "/unfreeze", "/collapse", "/fsfreeze", "/fsthaw", "/upgrade", "/trust",
    };

    for (size_t i = 0; port == WR_AGENT_PORT && i < WR_ARRAY_SIZE(paths); i++)
        if (wr_streq(wr_exchange_path(ex), paths[i]))
            return paths[i];
    if (port == WR_AGENT_PORT && wr_starts_with(wr_exchange_path(ex), content))
        return content;
    return NULL;
}
