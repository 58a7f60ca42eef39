/*
 * How to reach a control API and its sandboxes: the Unix socket of a Warren server, or the URLs of
 * E2B's protocol with a key. Immutable once made, counted, and thread-safe, so that all transports
 * of a client share one.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/error.h"
#include "client/url.h"

#define WR_ENDPOINT_DOMAIN_MAX         190 /* bytes of a domain with its port: labels come before it */
#define WR_ENDPOINT_CONNECT_TIMEOUT_MS 10000

struct wr_endpoint;

/* Text is copied; NULL and "" are the same. */
struct wr_endpoint_opts {
    const char *api_key;         /* required; sent to the control API alone */
    const char *domain;          /* NULL: "e2b.app"; may end with ":port" */
    const char *api_url;         /* NULL: https://api.<domain> */
    const char *sandbox_url;     /* NULL: each sandbox has hosts of its own below its domain */
    uint64_t connect_timeout_ms; /* name, connection and TLS together; 0:
                                    WR_ENDPOINT_CONNECT_TIMEOUT_MS */
};

/* E2B's protocol. INVALID_ARGUMENT names what is wrong, UNAUTHENTICATED: no key, or one with
 * characters that no header can hold. The key is in no text. */
int wr_endpoint_new(const struct wr_endpoint_opts *opts, struct wr_endpoint **ret,
                    struct wr_error *err) WR_MUST_CHECK;
/* Any HTTP server, without key and sandboxes; `what` names the URL in errors. */
int wr_endpoint_new_url(const char *url, const char *what, struct wr_endpoint **ret,
                        struct wr_error *err) WR_MUST_CHECK;
/* A Warren server on this machine. INVALID_ARGUMENT: the path does not fit an address. */
int wr_endpoint_new_socket(const char *socket_path, struct wr_endpoint **ret, struct wr_error *err)
    WR_MUST_CHECK;
struct wr_endpoint *wr_endpoint_ref(struct wr_endpoint *endpoint);
/* One holder less; the last one wipes the key. Accepts NULL, returns NULL. */
struct wr_endpoint *wr_endpoint_free(struct wr_endpoint *endpoint);

/* For people: "https://api.e2b.app", "/run/warren/warren.sock". Borrowed. */
const char *wr_endpoint_name(const struct wr_endpoint *endpoint);
/* NULL: not a socket. Borrowed. */
const char *wr_endpoint_socket(const struct wr_endpoint *endpoint);
/* NULL: none (a socket, or a bare URL). Borrowed; not to be written into any text. */
const char *wr_endpoint_key(const struct wr_endpoint *endpoint);
uint64_t wr_endpoint_connect_timeout_ms(const struct wr_endpoint *endpoint);
/* The settings of TLS sessions to it: roots of this host, as OpenSSL finds them (SSL_CERT_FILE,
 * SSL_CERT_DIR); read at the first call. Held by the endpoint. */
int wr_endpoint_tls(struct wr_endpoint *endpoint, SSL_CTX **ret, struct wr_error *err)
    WR_MUST_CHECK;

/* Whether sandboxes can have hosts below it: a name, perhaps with ":port". */
bool wr_endpoint_domain_is_valid(const char *domain);

/* Where a request goes. */
struct wr_endpoint_target {
    const char *sandbox_id; /* NULL: the control API */
    uint16_t port;          /* inside the sandbox */
    const char *domain;     /* of the sandbox, as its creation told; NULL: the endpoint's */
};

/*
 * The base URL for a target, as E2B's SDKs have it: the API's; the sandbox URL for every sandbox;
 * without one, https://sandbox.<domain> for the agent's port of E2B's own domains, else
 * https://<port>-<id>.<domain>. With a socket it is "http://localhost". The routing headers are
 * sent in each case. INVALID_ARGUMENT: an id or domain that is not fit for a host.
 */
int wr_endpoint_base(const struct wr_endpoint *endpoint, const struct wr_endpoint_target *target,
                     struct wr_url *ret, struct wr_error *err) WR_MUST_CHECK;
/* "<port>-<id>.<domain>", as get_host() of the SDKs: the sandbox URL does not count. Into `out`,
 * WR_URL_AUTHORITY_MAX bytes. FAILED_PRECONDITION for a socket without `target->domain`. */
int wr_endpoint_host(const struct wr_endpoint *endpoint, const struct wr_endpoint_target *target,
                     char *out, struct wr_error *err) WR_MUST_CHECK;
