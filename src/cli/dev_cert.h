/*
 * Certificates for trying domain mode without a public authority: an authority of our own and leaf
 * certificates for one domain, EC P-256 and SHA-256. Texts in, texts out; nothing is stored here.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"

#define WR_DEV_CA_DAYS   3650
#define WR_DEV_LEAF_DAYS 825 /* the longest that all clients accept */

struct wr_dev_pair {
    struct wr_buf cert, key; /* PEM; owned */
};
#define WR_DEV_PAIR                                                         \
    {                                                                       \
        .cert = WR_BUF((size_t)64 * 1024), .key = WR_BUF((size_t)16 * 1024) \
    }

/* `ret` is initialised by WR_DEV_PAIR and empty. */
int wr_dev_ca_make(struct wr_dev_pair *ret, struct wr_error *err) WR_MUST_CHECK;
/* FAILED_PRECONDITION when the two do not belong together, are no authority, or end before a leaf
 * that is made now would. */
int wr_dev_ca_check(struct wr_dev_pair *ca, struct wr_error *err) WR_MUST_CHECK;
/* For `domain` and *.`domain` (wr_domain_valid()), and for this host: localhost, *.localhost,
 * 127.0.0.1, ::1. */
int wr_dev_leaf_make(struct wr_dev_pair *ca, const char *domain, struct wr_dev_pair *ret,
                     struct wr_error *err) WR_MUST_CHECK;
/* Whether the first certificate of `leaf_pem` is signed by that of `ca_pem`. */
bool wr_dev_signed_by(const char *leaf_pem, const char *ca_pem);
/* Wipes the key. */
void wr_dev_pair_done(struct wr_dev_pair *pair);
