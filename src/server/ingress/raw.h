/*
 * Plain TCP into sandboxes over TLS: the server name `<port>-<id>.<any domain>` says where to, and
 * what is inside TLS reaches that port as it is, unless the client speaks HTTP. That is so when it
 * names HTTP as its protocol (ALPN), or names none and begins with a request line within
 * WR_RAW_QUIET_MS; a client that waits for the server's greeting is not kept longer than that.
 * Sandboxes with private ports have none (there is no place for the token), and neither have the
 * ports of the agent and the interpreter.
 */
#pragma once

#include "server/ingress/host.h"
#include "server/sandbox_table.h"
#include "server/tls/terminator.h"

#define WR_RAW_QUIET_MS 1000
#define WR_RAW_LOOK_MS  10 /* an unfinished request line is looked at again that often */

struct wr_listener;
struct wr_raw_gate; /* of one TLS listener: connections on their way to a service */

/* Whether raw bytes may go to that port of a sandbox at all. */
bool wr_raw_port(uint16_t port);

/* NULL without memory. The listener is borrowed; its HTTP server gets what turns out to be HTTP. */
struct wr_raw_gate *wr_raw_gate_new(struct wr_listener *listener) WR_MUST_CHECK;
/* What the listener's terminator calls. */
struct wr_tls_raw wr_raw_gate_ops(struct wr_raw_gate *gate);
/* Connections without a service yet are cut; the others belong to their sandboxes. Accepts NULL,
 * returns NULL. */
struct wr_raw_gate *wr_raw_gate_free(struct wr_raw_gate *gate);
