/* The bytes of a file on their way to a client: never more in memory than one piece. */
#pragma once

#include "http/server.h"

struct wr_download_opts {
    int fd;         /* owned, also on failure; at the first byte to send */
    int64_t length; /* bytes to send; -1: until the end of the file */
    bool pack;      /* with gzip; `length` is ignored */
    bool head_only; /* the request is a HEAD */
};

struct wr_download;

/* Prepares one before the head is written. WR_E_INTERNAL without memory. */
int wr_download_new(struct wr_exchange *ex, const struct wr_download_opts *opts,
                    struct wr_download **ret, struct wr_error *err) WR_MUST_CHECK;
/* The head is written: streams the body and ends the exchange. */
void wr_download_start(struct wr_download *d);
