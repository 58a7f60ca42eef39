#include "cli/front.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/str.h"
#include "cli/blank_pools.h"
#include "cli/dev_cert.h"
#include "cli/domain.h"
#include "log/log.h"
#include "server/setup.h"

#define PEM_MAX            ((size_t)128 * 1024)
#define DEFAULT_TLS_LISTEN "0.0.0.0:443"

static int add_listener(struct wr_front *front, const struct wr_front_listener *listener,
                        const char *text, struct wr_error *err)
{
    struct wr_front_listener added = *listener;

    int r = wr_listen_parse(listener->name, text, &added.addr, err);
    if (r < 0 || added.addr.len == 0)
        return r;
    if (front->count == WR_ARRAY_SIZE(front->listeners))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "listen: more than %zu addresses",
                       WR_ARRAY_SIZE(front->listeners) - 2);
    front->listeners[front->count++] = added;
    return 0;
}

/* Addresses separated by commas. */
static int add_domain_listeners(struct wr_front *front, const char *list, bool tls,
                                struct wr_error *err)
{
    const struct wr_front_listener listener = {
        .kind = WR_LISTEN_DOMAIN, .tls = tls, .name = "listen"};
    int r = 0;

    while (r == 0 && *list) {
        size_t len = strcspn(list, ",");
        wr_auto_free char *text = wr_strndup(list, len);
        if (!text)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "listen");
        char *start = text + strspn(text, " ");
        start[strcspn(start, " ")] = '\0';
        r = add_listener(front, &listener, start, err);
        list += len + (list[len] == ',');
    }
    return r;
}

static int check_domain(const char *domain, struct wr_error *err)
{
    size_t len = strcspn(domain, ":");
    uint64_t port;

    if (!wr_domain_valid(domain, len) ||
        (domain[len] == ':' && wr_parse_u64(domain + len + 1, 1, 65535, &port) < 0))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "domain: \"%.60s\" is not a domain name in lower case such as sbx.test, "
                       "with \":PORT\" behind it where that is not the usual one",
                       domain);
    return 0;
}

static int read_pem(const char *name, const char *path, struct wr_buf *out, struct wr_error *err)
{
    wr_buf_init(out, PEM_MAX);
    /* All at once: a buffer that grows leaves copies of the key in freed memory. */
    int r = wr_buf_reserve(out, PEM_MAX) ? wr_file_read(AT_FDCWD, path, out) : -ENOMEM;

    if (r == 0 && !wr_buf_cstr(out))
        r = -ENOMEM;
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "%s: read %s", name, path);
    if (out->len == 0 || memchr(wr_buf_ptr(out), '\0', out->len))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: %s is not a PEM file", name, path);
    return 0;
}

/* A certificate of `warren dev-cert` lies beside its authority, which clients have to be told. */
static int find_ca(const char *cert_path, struct wr_front *front, struct wr_error *err)
{
    const char *slash = strrchr(cert_path, '/');
    wr_auto_free char *path =
        wr_asprintf("%.*sca.pem", slash ? (int)(slash - cert_path + 1) : 0, cert_path);
    wr_auto_buf ca = WR_BUF(PEM_MAX);

    if (!path)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "tls-cert");
    if (wr_file_read(AT_FDCWD, path, &ca) < 0 || !wr_buf_cstr(&ca) ||
        !wr_dev_signed_by(wr_buf_ptr(&front->cert), wr_buf_ptr(&ca)))
        return 0;
    front->ca_path = realpath(path, NULL);
    front->config.ca_path = front->ca_path;
    return 0;
}

static int plan_tls(const struct wr_serve_values *values, struct wr_front *front,
                    struct wr_error *err)
{
    if (!values->tls_cert != !values->tls_key)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "tls-cert and tls-key: one is there, the other is missing");
    if (!values->tls_cert)
        return 0;
    if (!values->domain)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "tls-cert: without the setting domain there is nothing to use it for");
    int r = read_pem("tls-cert", values->tls_cert, &front->cert, err);
    if (r == 0)
        r = read_pem("tls-key", values->tls_key, &front->key, err);
    if (r < 0)
        return r;
    front->config.tls_cert_pem = wr_buf_ptr(&front->cert);
    front->config.tls_key_pem = wr_buf_ptr(&front->key);
    r = wr_server_check_tls(front->config.tls_cert_pem, front->config.tls_key_pem, err);
    return r < 0 ? wr_wrap(err, "tls-cert and tls-key") : find_ca(values->tls_cert, front, err);
}

static int plan_domain(const struct wr_serve_values *values, struct wr_front *front,
                       struct wr_error *err)
{
    bool tls = values->tls_cert != NULL;
    int r = 0;

    if (!values->domain && values->listen)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "listen: without the setting domain host names mean nothing; say domain, "
                       "or use api-listen and ingress-listen");
    if (values->domain)
        r = check_domain(values->domain, err);
    if (r == 0)
        r = plan_tls(values, front, err);
    if (r < 0 || !values->domain)
        return r;
    front->config.domain = values->domain;
    front->config.public_domain = values->domain;
    return add_domain_listeners(front,
                                values->listen ? values->listen
                                : tls          ? DEFAULT_TLS_LISTEN
                                               : "",
                                tls, err);
}

static int plan_egress(const struct wr_serve_values *values, struct wr_front *front,
                       struct wr_error *err)
{
    struct wr_egress_config *egress = &front->config.egress;

    *egress = (struct wr_egress_config){
        .off = values->egress == WR_SERVE_EGRESS_OFF,
        .open = values->egress_open,
        .dns_servers = values->dns_servers,
        .max_connections = (uint32_t)values->egress_connections,
        .bandwidth_bytes_per_s = values->egress_bandwidth,
    };
    if (values->egress_ca) {
        int r = read_pem("egress-ca", values->egress_ca, &front->egress_ca, err);
        if (r < 0)
            return r;
        egress->ca_pem = wr_buf_ptr(&front->egress_ca);
    }
    int r = wr_server_check_ranges("webhook-open", values->webhook_open, err);
    return r < 0 ? r : wr_server_check_egress(egress, err);
}

static const enum wr_pause_level pause_levels[] = {
    [WR_SERVE_PAUSE_HIBERNATED] = WR_PAUSE_HIBERNATED,
    [WR_SERVE_PAUSE_PAGED] = WR_PAUSE_PAGED,
    [WR_SERVE_PAUSE_FROZEN] = WR_PAUSE_FROZEN,
};

int wr_front_plan(const struct wr_serve_values *values, struct wr_front *ret, struct wr_error *err)
{
    const struct wr_front_listener api = {.kind = WR_LISTEN_API, .name = "api-listen"};
    const struct wr_front_listener ingress = {.kind = WR_LISTEN_INGRESS, .name = "ingress-listen"};

    ret->config = (struct wr_server_config){
        .timeout_max_s = (uint32_t)(values->timeout_max_ms / 1000),
        .lenient = values->lenient,
        .limits = {.requests_per_s = (uint32_t)values->rate_requests,
                   .creates_per_s = (uint32_t)values->rate_creates,
                   .max_sandboxes = (uint32_t)values->max_sandboxes},
        .pause = {.level = pause_levels[values->pause_level],
                  .page_after_ms = values->page_after_ms,
                  .hibernate_after_ms = values->hibernate_after_ms,
                  .low_memory_pct = (uint32_t)values->hibernate_below,
                  .hibernate_at_end = values->at_end == WR_SERVE_AT_END_HIBERNATE},
        .max_connections_per_sandbox = (uint32_t)values->max_connections,
        .volume_default_bytes = values->new_volume_size,
        .volume_max_bytes = values->max_volume_size,
        .max_snapshots = (uint32_t)values->max_snapshots,
        .max_paused = (uint32_t)values->max_paused,
        .max_stored_bytes = values->max_stored,
        .max_jobs = (uint32_t)values->max_jobs,
        .webhook_open = values->webhook_open,
    };
    int r = plan_egress(values, ret, err);
    if (r < 0 || values->private)
        return r;
    r = wr_blank_pools_parse(values->blanks, &ret->config, err);
    if (r == 0)
        r = add_listener(ret, &api, values->api_listen, err);
    if (r == 0)
        r = add_listener(ret, &ingress, values->ingress_listen, err);
    return r < 0 ? r : plan_domain(values, ret, err);
}

/* Where a program on this host reaches the address. */
static bool local_url(const struct wr_listen_addr *addr, char *out)
{
    struct wr_listen_addr local = *addr;
    char text[WR_LISTEN_TEXT_MAX];

    if (addr->sa.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr->sa.v6.sin6_addr))
        local.sa.v6.sin6_addr = in6addr_loopback;
    if (addr->sa.any.sa_family == AF_INET && addr->sa.v4.sin_addr.s_addr == htonl(INADDR_ANY))
        local.sa.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    wr_listen_format(&local, text);
    return wr_strformat(out, WR_FRONT_URL_MAX, "http://%s", text);
}

static int fill_urls(struct wr_front *front, struct wr_error *err)
{
    const struct wr_server_config *config = &front->config;
    const char *scheme = config->tls_cert_pem ? "https" : "http";
    bool fits = true;

    for (size_t i = 0; fits && i < front->count; i++) {
        const struct wr_front_listener *listener = &front->listeners[i];
        if (listener->kind == WR_LISTEN_API)
            fits = local_url(&listener->addr, front->api_url);
        if (listener->kind == WR_LISTEN_INGRESS)
            fits = local_url(&listener->addr, front->sandbox_url) &&
                   wr_strformat(front->public_domain, sizeof front->public_domain, "localhost:%u",
                                wr_listen_port(&listener->addr));
    }
    if (fits && config->domain)
        fits =
            wr_strformat(front->api_url, WR_FRONT_URL_MAX, "%s://api.%s", scheme, config->domain) &&
            wr_strformat(front->sandbox_url, WR_FRONT_URL_MAX, "%s://sandbox.%s", scheme,
                         config->domain);
    if (!fits)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "domain: too long");
    front->config.api_url = *front->api_url ? front->api_url : NULL;
    front->config.sandbox_url = *front->sandbox_url ? front->sandbox_url : NULL;
    if (!config->domain && *front->public_domain)
        front->config.public_domain = front->public_domain;
    return 0;
}

int wr_front_open(struct wr_front *front, struct wr_listen_spec *specs, struct wr_error *err)
{
    size_t opened = 0;
    int r = 0;

    for (; r == 0 && opened < front->count; opened++) {
        struct wr_front_listener *listener = &front->listeners[opened];
        specs[opened] =
            (struct wr_listen_spec){.kind = listener->kind, .tls = listener->tls, .fd = -1};
        r = wr_listen_open(listener->name, &listener->addr, &specs[opened].fd, err);
        if (r == 0 && listener->kind == WR_LISTEN_API && !wr_listen_is_loopback(&listener->addr))
            wr_log(WR_LOG_WARN,
                   "the control API can be reached from other hosts without TLS: keys and data "
                   "travel in the clear; use domain and tls-cert, or a proxy with TLS",
                   NULL);
    }
    if (r == 0)
        r = fill_urls(front, err);
    while (r < 0 && opened > 0) {
        opened--;
        specs[opened].fd = wr_close(specs[opened].fd);
    }
    return r;
}

void wr_front_done(struct wr_front *front)
{
    if (front->key.data)
        explicit_bzero(front->key.data, front->key.cap);
    wr_buf_done(&front->key);
    wr_buf_done(&front->cert);
    wr_buf_done(&front->egress_ca);
    free(front->state_dir);
    front->state_dir = NULL;
    free(front->ca_path);
    front->ca_path = NULL;
}
