#include "server/ingress/route.h"

#include "base/parse.h"
#include "base/str.h"
#include "engine/action.h"
#include "server/ingress/answers.h"

bool wr_ingress_wants(const struct wr_exchange *ex)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);

    return wr_h1_find(head, WR_INGRESS_ID) || wr_h1_find(head, WR_INGRESS_PORT);
}

static size_t count(const struct wr_h1_head *head, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < head->header_count; i++)
        n += wr_memcaseeq(head->headers[i].name, head->headers[i].name_len, name, strlen(name));
    return n;
}

/* `<id>` or `<id>-<clientID>`. */
static bool read_id(const struct wr_h1_head *head, char *id, size_t cap)
{
    if (!wr_h1_get(head, WR_INGRESS_ID, id, cap))
        return false;
    char *dash = strchr(id, '-');
    if (dash && !strchr(dash + 1, '-'))
        *dash = '\0';
    return wr_str_only(id, "abcdefghijklmnopqrstuvwxyz0123456789", 1, cap);
}

bool wr_ingress_route_read(struct wr_exchange *ex, struct wr_ingress_route *ret)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    size_t ids = count(head, WR_INGRESS_ID), ports = count(head, WR_INGRESS_PORT);
    char text[8];
    uint64_t port = 0;

    if (ids == 0 || ports == 0) {
        wr_ingress_bad_request(ex, "missing header");
        return false;
    }
    /* With two of a kind, whoever checked the request before may have looked at the other one. */
    if (ids > 1 || !read_id(head, ret->id, sizeof ret->id)) {
        wr_ingress_bad_request(ex, "Invalid sandbox ID");
        return false;
    }
    if (ports > 1 || !wr_h1_get(head, WR_INGRESS_PORT, text, sizeof text) ||
        wr_parse_u64(text, 1, 65535, &port) < 0) {
        wr_ingress_bad_request(ex, "Invalid sandbox port");
        return false;
    }
    ret->port = (uint16_t)port;
    return true;
}

const char *wr_ingress_reserved_path(const struct wr_exchange *ex,
                                     const struct wr_ingress_route *route)
{
    static const char *const paths[] = {
        "/init", "/freeze", "/unfreeze", "/collapse", "/fsfreeze", "/fsthaw", "/upgrade",
    };

    for (size_t i = 0; route->port == WR_AGENT_PORT && i < WR_ARRAY_SIZE(paths); i++)
        if (wr_streq(wr_exchange_path(ex), paths[i]))
            return paths[i];
    return NULL;
}
