/* A request as it goes out, kept so that it can be sent once there is a connection, and again. */
#pragma once

#include "client/transport.h"

struct wr_outgoing {
    char method[WR_HTTP_MAX_METHOD + 1];
    char *target;          /* owned; with the prefix of the base URL */
    struct wr_buf headers; /* name NUL value NUL ...; wiped */
    struct wr_buf copy;    /* of the body, once it is kept; wiped */
    const void *body;      /* borrowed until it is kept */
    size_t body_len;
    bool stream;
    int64_t stream_length;
};

/* With every field that `request` asks for, the routing ones and the key included. */
int wr_outgoing_init(struct wr_outgoing *out, const struct wr_transport_request *request,
                     const struct wr_endpoint *endpoint, const struct wr_url *url,
                     struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed struct. */
void wr_outgoing_done(struct wr_outgoing *out);
/* From now on nothing is borrowed. */
int wr_outgoing_keep(struct wr_outgoing *out, struct wr_error *err) WR_MUST_CHECK;
/* Begins the call on an idle connection and sends what there is. */
int wr_outgoing_send(const struct wr_outgoing *out, struct wr_http_conn *http,
                     const struct wr_http_call_ops *ops, void *data, struct wr_http_call **ret,
                     struct wr_error *err) WR_MUST_CHECK;
/* Whether the method may reach a server twice. */
bool wr_outgoing_is_repeatable(const struct wr_outgoing *out);
