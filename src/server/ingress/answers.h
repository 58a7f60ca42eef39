/*
 * What the ingress answers itself, in the words that E2B clients look for: JSON, or a page when a
 * person looks at it in a browser.
 */
#pragma once

#include "http/server.h"
#include "server/ingress/access.h"

/* 400 text/plain. */
void wr_ingress_bad_request(struct wr_exchange *ex, const char *text);
/* 502: unknown or gone. */
void wr_ingress_no_sandbox(struct wr_exchange *ex, const char *id);
/* 502: the sandbox runs, nothing listens on the port. */
void wr_ingress_port_closed(struct wr_exchange *ex, const char *id, uint16_t port);
/* 403: `access` is not WR_ACCESS_GRANTED. */
void wr_ingress_forbidden(struct wr_exchange *ex, const char *id, enum wr_ingress_access access);
/* 429 with the limit. */
void wr_ingress_too_many(struct wr_exchange *ex, const char *id, unsigned limit);
/* 404: routes of the agent that only the control plane may use. */
void wr_ingress_reserved(struct wr_exchange *ex, const char *path);
/* 403: it would be resumed for whoever has the agent's token. */
void wr_ingress_asleep(struct wr_exchange *ex, const char *id);
/* 409: it is being paused or resumed. */
void wr_ingress_changing(struct wr_exchange *ex, const char *id);
/* Any other failure: the code's HTTP status and the error's text. */
void wr_ingress_failed(struct wr_exchange *ex, const char *id, const struct wr_error *error);
