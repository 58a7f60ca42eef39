#include "client/endpoint.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/str.h"
#include "engine/action.h"
#include "tls/context.h"

#define DEFAULT_DOMAIN "e2b.app"
#define KEY_MAX        512
#define SANDBOX_ID_MAX 63 /* a label of a host has no more, and the port comes before it */

struct wr_endpoint {
    atomic_uint holders;
    char *socket_path; /* owned; NULL: one that has URLs */
    char *key;         /* owned, wiped */
    char domain[WR_ENDPOINT_DOMAIN_MAX];
    struct wr_url api, sandbox;
    bool has_sandbox_url;
    uint64_t connect_timeout_ms;
    char name[WR_URL_AUTHORITY_MAX + WR_URL_PREFIX_MAX + 16];
    _Atomic(SSL_CTX *) tls; /* owned; NULL until it is asked for, then constant */
};

/* E2B's own domains have one host for the agents of all sandboxes. */
static const char *const shared_domains[] = {"e2b.app", "e2b.dev", "e2b.pro", "e2b-staging.dev"};

static bool given(const char *text)
{
    return text && *text;
}

static struct wr_endpoint *allocate(struct wr_error *err)
{
    struct wr_endpoint *endpoint = wr_calloc(1, sizeof *endpoint);

    if (!endpoint) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "endpoint");
        return NULL;
    }
    atomic_init(&endpoint->holders, 1);
    endpoint->connect_timeout_ms = WR_ENDPOINT_CONNECT_TIMEOUT_MS;
    return endpoint;
}

int wr_endpoint_new_socket(const char *socket_path, struct wr_endpoint **ret, struct wr_error *err)
{
    const struct sockaddr_un *address = NULL;
    struct wr_endpoint *endpoint = NULL;

    if (strlen(socket_path) >= sizeof address->sun_path)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "socket path %.60s...: longer than %zu bytes",
                       socket_path, sizeof address->sun_path - 1);
    endpoint = allocate(err);
    if (!endpoint)
        return -err->code;
    endpoint->socket_path = wr_strdup(socket_path);
    if (!endpoint->socket_path) {
        wr_endpoint_free(endpoint);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "endpoint");
    }
    *ret = endpoint;
    return 0;
}

static int take_key(struct wr_endpoint *endpoint, const char *key, struct wr_error *err)
{
    if (!given(key))
        return wr_fail(err, WR_E_UNAUTHENTICATED, 0, "there is no API key; set E2B_API_KEY");
    for (const char *c = key; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || c - key >= KEY_MAX)
            return wr_fail(err, WR_E_UNAUTHENTICATED, 0,
                           "the API key is not one: blanks, control characters, or too long; "
                           "check E2B_API_KEY");
    endpoint->key = wr_strdup(key);
    return endpoint->key ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "endpoint");
}

bool wr_endpoint_domain_is_valid(const char *domain)
{
    char url[WR_ENDPOINT_DOMAIN_MAX + 16];
    struct wr_url parsed;
    struct wr_error ignored = {0};

    return strlen(domain) < WR_ENDPOINT_DOMAIN_MAX && !strpbrk(domain, "/[]") &&
           wr_strformat(url, sizeof url, "https://%s", domain) &&
           wr_url_parse(url, "", &parsed, &ignored) == 0;
}

static int take_urls(struct wr_endpoint *endpoint, const struct wr_endpoint_opts *opts,
                     struct wr_error *err)
{
    const char *domain = given(opts->domain) ? opts->domain : DEFAULT_DOMAIN;
    char url[WR_ENDPOINT_DOMAIN_MAX + 16];

    if (!wr_endpoint_domain_is_valid(domain) ||
        !wr_strcopy(endpoint->domain, sizeof endpoint->domain, domain))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "domain %.60s: not the name of a host; check E2B_DOMAIN", domain);
    if (!wr_strformat(url, sizeof url, "https://api.%s", domain))
        return wr_fail(err, WR_E_INTERNAL, 0, "URL for domain %.60s", domain);
    int r = wr_url_parse(given(opts->api_url) ? opts->api_url : url, "API URL (E2B_API_URL)",
                         &endpoint->api, err);
    endpoint->has_sandbox_url = given(opts->sandbox_url);
    if (r == 0 && endpoint->has_sandbox_url)
        r = wr_url_parse(opts->sandbox_url, "sandbox URL (E2B_SANDBOX_URL)", &endpoint->sandbox,
                         err);
    return r;
}

static int take_name(struct wr_endpoint *endpoint, struct wr_error *err)
{
    if (!wr_strformat(endpoint->name, sizeof endpoint->name, "%s://%s%s",
                      endpoint->api.tls ? "https" : "http", endpoint->api.authority,
                      endpoint->api.prefix))
        return wr_fail(err, WR_E_INTERNAL, 0, "name of the endpoint");
    return 0;
}

int wr_endpoint_new_url(const char *url, const char *what, struct wr_endpoint **ret,
                        struct wr_error *err)
{
    struct wr_endpoint *endpoint = allocate(err);

    if (!endpoint)
        return -err->code;
    int r = wr_url_parse(url, what, &endpoint->api, err);
    if (r == 0)
        r = take_name(endpoint, err);
    if (r < 0) {
        wr_endpoint_free(endpoint);
        return r;
    }
    *ret = endpoint;
    return 0;
}

int wr_endpoint_new(const struct wr_endpoint_opts *opts, struct wr_endpoint **ret,
                    struct wr_error *err)
{
    struct wr_endpoint *endpoint = allocate(err);

    if (!endpoint)
        return -err->code;
    if (opts->connect_timeout_ms)
        endpoint->connect_timeout_ms = opts->connect_timeout_ms;
    int r = take_urls(endpoint, opts, err);
    if (r == 0)
        r = take_key(endpoint, opts->api_key, err);
    if (r == 0)
        r = take_name(endpoint, err);
    if (r < 0) {
        wr_endpoint_free(endpoint);
        return r;
    }
    *ret = endpoint;
    return 0;
}

struct wr_endpoint *wr_endpoint_ref(struct wr_endpoint *endpoint)
{
    atomic_fetch_add_explicit(&endpoint->holders, 1, memory_order_relaxed);
    return endpoint;
}

struct wr_endpoint *wr_endpoint_free(struct wr_endpoint *endpoint)
{
    if (!endpoint || atomic_fetch_sub_explicit(&endpoint->holders, 1, memory_order_acq_rel) != 1)
        return NULL;
    if (endpoint->key)
        explicit_bzero(endpoint->key, strlen(endpoint->key));
    free(endpoint->key);
    free(endpoint->socket_path);
    SSL_CTX_free(endpoint->tls);
    free(endpoint);
    return NULL;
}

const char *wr_endpoint_name(const struct wr_endpoint *endpoint)
{
    return endpoint->socket_path ? endpoint->socket_path : endpoint->name;
}

const char *wr_endpoint_socket(const struct wr_endpoint *endpoint)
{
    return endpoint->socket_path;
}

const char *wr_endpoint_key(const struct wr_endpoint *endpoint)
{
    return endpoint->key;
}

uint64_t wr_endpoint_connect_timeout_ms(const struct wr_endpoint *endpoint)
{
    return endpoint->connect_timeout_ms;
}

int wr_endpoint_tls(struct wr_endpoint *endpoint, SSL_CTX **ret, struct wr_error *err)
{
    SSL_CTX *context = atomic_load(&endpoint->tls), *made = NULL;

    /* No lock, which a process that forks meanwhile would inherit: the second of two is dropped. */
    if (!context) {
        int r = wr_tls_client_context_new(NULL, &made, err);
        if (r < 0)
            return r;
        if (atomic_compare_exchange_strong(&endpoint->tls, &context, made))
            context = made;
        else
            SSL_CTX_free(made);
    }
    *ret = context;
    return 0;
}

/* ---- where requests go ---- */

int wr_endpoint_host(const struct wr_endpoint *endpoint, const struct wr_endpoint_target *target,
                     char *out, struct wr_error *err)
{
    const char *domain = given(target->domain) ? target->domain : endpoint->domain;
    char host[WR_URL_AUTHORITY_MAX];

    if (!*domain)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "the server on %s gives sandboxes no host names",
                       wr_endpoint_name(endpoint));
    if (!wr_str_only(target->sandbox_id, "abcdefghijklmnopqrstuvwxyz0123456789-", 1,
                     SANDBOX_ID_MAX - 6))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "\"%.60s\" is not a sandbox id",
                       target->sandbox_id);
    if (!wr_endpoint_domain_is_valid(domain) ||
        !wr_strformat(host, sizeof host, "%u-%s.%s", target->port, target->sandbox_id, domain))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "sandbox %.60s: its domain is not valid",
                       target->sandbox_id);
    memcpy(out, host, sizeof host);
    return 0;
}

static bool is_shared(const char *domain)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(shared_domains); i++)
        if (wr_streq(shared_domains[i], domain))
            return true;
    return false;
}

int wr_endpoint_base(const struct wr_endpoint *endpoint, const struct wr_endpoint_target *target,
                     struct wr_url *ret, struct wr_error *err)
{
    const char *domain = given(target->domain) ? target->domain : endpoint->domain;
    char host[WR_URL_AUTHORITY_MAX], url[WR_URL_AUTHORITY_MAX + 16];

    if (endpoint->socket_path)
        return wr_url_parse("http://localhost", "socket", ret, err);
    if (!target->sandbox_id || endpoint->has_sandbox_url) {
        *ret = target->sandbox_id ? endpoint->sandbox : endpoint->api;
        return 0;
    }
    int r = wr_endpoint_host(endpoint, target, host, err);
    if (r < 0)
        return r;
    if (target->port == WR_AGENT_PORT && is_shared(domain) &&
        !wr_strformat(host, sizeof host, "sandbox.%s", domain))
        return wr_fail(err, WR_E_INTERNAL, 0, "host for domain %.60s", domain);
    if (!wr_strformat(url, sizeof url, "https://%s", host))
        return wr_fail(err, WR_E_INTERNAL, 0, "URL for host %.60s", host);
    return wr_url_parse(url, "sandbox host", ret, err);
}
