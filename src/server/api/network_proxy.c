#include "server/api/network_proxy.h"

#include <errno.h>

#include "json/jread.h"
#include "server/egress/proxy_address.h"

#define MAX_ADDRESS 300

struct fields {
    const char *address, *username, *password;
};

static int refuse(struct wr_error *err, const char *field, const char *why)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "network.egressProxy.%s: %s", field, why);
}

static int check(const struct fields *f, const json_t *tls, struct wr_error *err)
{
    struct wr_proxy_address address;

    if (!wr_proxy_address_parse(f->address, &address))
        return refuse(err, "address",
                      "not \"host:port\", \"socks5://host:port\" or \"http://host:port\"");
    if (f->username && !*f->username)
        return refuse(err, "username", "empty; leave it out");
    if (f->password && !f->username)
        return refuse(err, "password", "without a username");
    /* Basic authentication (RFC 7617) ends the name at the first colon. */
    if (f->username && address.kind == WR_NET_PROXY_HTTP && strchr(f->username, ':'))
        return refuse(err, "username", "has a colon, which HTTP proxies do not take");
    if (tls && !json_is_null(tls) && !json_is_false(tls))
        return refuse(err, "tls", "TLS to the proxy is not available yet");
    return 0;
}

int wr_network_proxy_read(const json_t *proxy, bool lenient, json_t **ret, struct wr_error *err)
{
    struct fields f = {0};
    const struct wr_json_field fields[] = {
        {.name = "address",
         .kind = WR_JSON_STRING,
         .required = true,
         .ret = &f.address,
         .max = MAX_ADDRESS},
        {.name = "username",
         .kind = WR_JSON_STRING,
         .ret = &f.username,
         .max = WR_PROXY_MAX_CREDENTIAL},
        {.name = "password",
         .kind = WR_JSON_STRING,
         .ret = &f.password,
         .max = WR_PROXY_MAX_CREDENTIAL},
    };
    wr_auto_json *rest = json_copy((json_t *)(uintptr_t)proxy);

    if (!rest)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "network.egressProxy");
    /* true, false or an object: no kind of the table. */
    const json_t *tls = json_object_get(proxy, "tls");
    (void)json_object_del(rest, "tls");
    int r = wr_json_read(rest, fields, WR_ARRAY_SIZE(fields),
                         lenient ? WR_JSON_IGNORE_UNKNOWN : WR_JSON_REFUSE_UNKNOWN, err);
    if (r < 0)
        return wr_wrap(err, "network.egressProxy");
    r = check(&f, tls, err);
    if (r < 0)
        return r;
    *ret = json_pack("{s:s, s:s*, s:s*}", "address", f.address, "username", f.username, "password",
                     f.password);
    return *ret ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "network.egressProxy");
}

json_t *wr_network_proxy_shown(const json_t *proxy)
{
    json_t *out = json_copy((json_t *)(uintptr_t)proxy);

    if (out)
        (void)json_object_del(out, "password");
    return out;
}
