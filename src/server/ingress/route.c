#include "server/ingress/route.h"

#include <string.h>

#include "base/str.h"

/* How each kind of listener tells control API and ingress apart, and where it looks for a route. */
enum rule {
    BY_HEADERS, /* a request with a routing header is the ingress' */
    NEVER,      /* all requests are the control API's */
    ALWAYS,     /* none is */
    BY_HOST,    /* api.<domain> is the control API's */
};

static const enum rule rules[] = {
    [WR_LISTEN_LOCAL] = BY_HEADERS,
    [WR_LISTEN_API] = NEVER,
    [WR_LISTEN_INGRESS] = ALWAYS,
    [WR_LISTEN_DOMAIN] = BY_HOST,
};

static const char *domain_of(const struct wr_listener *listener)
{
    const struct wr_server_config *config = listener->server->config;

    return config->domain ? config->domain : config->public_domain;
}

static enum wr_host_kind kind_of(const struct wr_listener *listener, const struct wr_exchange *ex)
{
    const struct wr_h1_header *host = wr_h1_find(wr_exchange_head(ex), "Host");

    return host ? wr_host_kind(host->value, host->value_len, domain_of(listener)) : WR_HOST_NAME;
}

static bool has_routing_header(const struct wr_exchange *ex)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);

    return wr_h1_find(head, WR_INGRESS_ID) || wr_h1_find(head, WR_INGRESS_PORT);
}

bool wr_ingress_wants(const struct wr_listener *listener, const struct wr_exchange *ex)
{
    switch (rules[listener->kind]) {
    case BY_HEADERS:
        return has_routing_header(ex);
    case NEVER:
        return false;
    case ALWAYS:
        return true;
    case BY_HOST:
        return kind_of(listener, ex) != WR_HOST_API;
    }
    return false;
}

/* The one field of that name. `*ret_count` tells how many there are. */
static const struct wr_h1_header *find_one(const struct wr_h1_head *head, const char *name,
                                           size_t *ret_count)
{
    const struct wr_h1_header *found = NULL;

    *ret_count = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        if (!wr_memcaseeq(head->headers[i].name, head->headers[i].name_len, name, strlen(name)))
            continue;
        found = &head->headers[i];
        ++*ret_count;
    }
    return found;
}

/* `<id>` or `<id>-<clientID>`. */
static bool read_id(const struct wr_h1_header *field, struct wr_ingress_route *ret)
{
    const char *dash = memchr(field->value, '-', field->value_len);
    size_t len = dash ? (size_t)(dash - field->value) : field->value_len;

    return (!dash || !memchr(dash + 1, '-', field->value_len - len - 1)) &&
           wr_host_id(field->value, len, ret);
}

static const char *read_headers(const struct wr_h1_head *head, struct wr_ingress_route *ret)
{
    size_t ids = 0, ports = 0;
    const struct wr_h1_header *id = find_one(head, WR_INGRESS_ID, &ids);
    const struct wr_h1_header *port = find_one(head, WR_INGRESS_PORT, &ports);

    if (!id || !port)
        return WR_INGRESS_MISSING;
    /* With two of a kind, whoever checked the request before may have looked at the other one. */
    if (ids > 1 || !read_id(id, ret))
        return WR_INGRESS_BAD_ID;
    if (ports > 1 || !wr_host_port(port->value, port->value_len, &ret->port))
        return WR_INGRESS_BAD_PORT;
    return NULL;
}

const char *wr_ingress_route_read(const struct wr_listener *listener, const struct wr_exchange *ex,
                                  struct wr_ingress_route *ret)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    const struct wr_h1_header *host = wr_h1_find(head, "Host");

    if (listener->kind == WR_LISTEN_LOCAL ||
        (kind_of(listener, ex) == WR_HOST_DIRECT && has_routing_header(ex)))
        return read_headers(head, ret);
    return host ? wr_host_route(host->value, host->value_len, ret) : WR_INGRESS_BAD_HOST;
}
