/*
 * The egress's authority in the trust stores of a sandbox: its agent installs the certificate, or
 * takes it out again (agent/trust.h). Called before a creation or an update is answered whose
 * policy has a transform, or has none any more.
 */
#pragma once

#include "base/error.h"

struct wr_server;
struct wr_sandbox;

#define WR_TRUST_TIMEOUT_MS 5000

/* `error` NULL: done. */
typedef void (*wr_trust_fn)(const struct wr_error *error, void *data);

/* `fn` is called once, later, never from inside; with an error also when the sandbox goes away
 * meanwhile. Repeating it changes nothing. On failure `fn` is not called. */
int wr_trust_install(struct wr_server *server, struct wr_sandbox *sandbox, wr_trust_fn fn,
                     void *data, struct wr_error *err) WR_MUST_CHECK;
int wr_trust_remove(struct wr_server *server, struct wr_sandbox *sandbox, wr_trust_fn fn,
                    void *data, struct wr_error *err) WR_MUST_CHECK;
