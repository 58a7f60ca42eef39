/*
 * What one sandbox may reach, compiled from its `network` settings (api/network_config.h).
 * Immutable and counted: a connection keeps the policy that has admitted it until it is judged
 * again. Pure functions of their arguments; nothing here does I/O.
 *
 * Order (protocol section 2.14): the guard, then allowOut, then denyOut, then pass. Without
 * internet access denyOut holds 0.0.0.0/0 and ::/0; 0.0.0.0/0 always means both families.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "base/str.h"
#include "server/egress/guard.h"

#define WR_POLICY_MAX_DOMAIN 253
#define WR_POLICY_RULE_TEXT  128

struct wr_net_policy;

enum wr_net_verdict { WR_NET_DENY = 0, WR_NET_ALLOW = 1 };

/* Headers that the egress sets on requests to one domain. */
struct wr_net_header {
    const char *name;
    const char *value; /* with placeholders ${e2b.secrets.<name>} as they were given */
};
struct wr_net_transform {
    const char *domain; /* pattern, as in allowOut */
    const struct wr_net_header *headers;
    size_t header_count;
};

/* SOCKS5 or HTTP proxy through which the sandbox's connections go. */
enum wr_net_proxy_kind { WR_NET_PROXY_SOCKS5 = 0, WR_NET_PROXY_HTTP = 1 };
struct wr_net_proxy {
    enum wr_net_proxy_kind kind;
    const char *host; /* name or address */
    uint16_t port;
    const char *username, *password; /* NULL: none */
};

struct wr_net_decision {
    enum wr_net_verdict verdict;
    /* Allowed because of the name: the egress connects to an address that it resolves itself. Else
     * to the address that the sandbox chose. */
    bool by_name;
    char rule[WR_POLICY_RULE_TEXT]; /* "allowOut[2] *.example.com", "denyOut[0] 0.0.0.0/0",
                                       "blocked: private (10.0.0.0/8)", "default" */
};

/* `network` may be NULL. Lists were validated by api/network_config.h; what is not valid here is
 * INVALID_ARGUMENT all the same. Strings are copied. */
int wr_net_policy_new(const json_t *network, bool internet, struct wr_net_policy **ret,
                      struct wr_error *err) WR_MUST_CHECK;
struct wr_net_policy *wr_net_policy_hold(struct wr_net_policy *policy);
/* Secrets in it are wiped with the last reference. Accepts NULL, returns NULL. */
struct wr_net_policy *wr_net_policy_put(struct wr_net_policy *policy);

/* Whether a connection to that port waits for the name that the client is going to say (SNI on 443,
 * Host on 80): when a domain is allowed or has a transform. */
bool wr_net_policy_sniffs(const struct wr_net_policy *policy, uint16_t port);
/* `name` NULL: unknown. Names are compared without case, a dot at the end does not count. */
void wr_net_policy_connect(const struct wr_net_policy *policy, const struct wr_net_guard *guard,
                           const struct wr_ip *address, uint16_t port, const char *name,
                           struct wr_net_decision *ret);
/* Whether the sandbox may resolve the name: when some connection to it could be allowed. With
 * everything denied and no domain allowed no name is resolved, so that DNS carries nothing out. */
void wr_net_policy_resolve(const struct wr_net_policy *policy, const char *name,
                           struct wr_net_decision *ret);
/* Whether other records than A and AAAA are answered: when nothing is denied as a whole. */
bool wr_net_policy_all_records(const struct wr_net_policy *policy);
/* The transform of a name, or NULL; the longest pattern wins. */
const struct wr_net_transform *wr_net_policy_transform(const struct wr_net_policy *policy,
                                                       const char *name);
/* Whether there is any: then the sandbox has to trust the egress's authority. */
bool wr_net_policy_transforms(const struct wr_net_policy *policy);
/* NULL: connections are made directly. */
const struct wr_net_proxy *wr_net_policy_proxy(const struct wr_net_policy *policy);
/* The network group of the sandbox, or NULL. */
const char *wr_net_policy_group(const struct wr_net_policy *policy);
/* Its name in the group besides its id, or NULL. */
const char *wr_net_policy_hostname(const struct wr_net_policy *policy);
