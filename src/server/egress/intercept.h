/*
 * An HTTP proxy in the path of one connection: for domains with a transform (TLS is ended here with
 * a certificate of the installation's own authority, and begun again towards the server, whose
 * certificate is verified), and for plain HTTP that was allowed by its name. Every request must
 * name the host that the connection was admitted for (Host, and SNI with TLS), so that neither
 * fronting nor a later request of the same connection leads elsewhere; CONNECT is refused.
 * WebSocket upgrades pass.
 */
#pragma once

#include "server/egress/decision_log.h"
#include "server/egress/outbound.h"

struct wr_intercept;   /* of the server: authority, certificates, contexts */
struct wr_intercepted; /* one connection */
struct wr_store;

struct wr_intercept_opts {
    const char *state_dir; /* where the authority is kept: egress-ca.pem, 0600 */
    const char *ca_file;   /* further roots for the servers' certificates, PEM text; NULL: none */
    struct wr_resolver *resolver;
    const struct wr_net_guard *guard;
    struct wr_store *store; /* of the secrets */
};

int wr_intercept_new(struct wr_loop *loop, const struct wr_intercept_opts *opts,
                     struct wr_intercept **ret, struct wr_error *err) WR_MUST_CHECK;
/* Its connections must be gone. Accepts NULL, returns NULL. */
struct wr_intercept *wr_intercept_free(struct wr_intercept *intercept);
/* The authority's certificate, PEM; made and stored at the first call. NULL with `err`. */
const char *wr_intercept_authority(struct wr_intercept *intercept, struct wr_error *err);

struct wr_intercepted_opts {
    int fd; /* the client's bytes from their first on: one end of a socket pair; becomes owned */
    bool tls;
    const char *name; /* that was admitted; copied */
    uint16_t port;
    struct wr_net_policy *policy; /* held while it lives; transform and proxy come from it */
    const char *team_id;          /* whose secrets are meant; copied */
    struct wr_net_log *log;       /* HTTP events; borrowed until it is cut or has ended */
    uint64_t connection;          /* number for the log */
    void (*on_end)(struct wr_intercepted *it, const char *reason, void *data); /* once, later */
    void *data;
};

int wr_intercepted_start(struct wr_intercept *intercept, const struct wr_intercepted_opts *opts,
                         struct wr_intercepted **ret, struct wr_error *err) WR_MUST_CHECK;
/* The sandbox has another policy, which counts from here on. False when it does not allow the
 * server's address that is connected to: then it has to be cut. */
bool wr_intercepted_judge(struct wr_intercepted *it, struct wr_net_policy *policy);
/* Without a call of on_end. Accepts NULL, returns NULL. */
struct wr_intercepted *wr_intercepted_cut(struct wr_intercepted *it);
