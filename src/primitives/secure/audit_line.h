/*
 * One line of an audit log:
 *
 *   {"seq":7,"time":"2026-01-02T03:04:05.678Z","prev":"<64 hex>",<the record>,"hash":"<64 hex>"}
 *
 * `hash` is the SHA-256 of the bytes in front of `,"hash"`, `prev` the `hash` of the line before,
 * zeros in the first. What lies behind those bytes has one form only, so `prev` binds all of a
 * line.
 */
#pragma once

#include "base/buf.h"
#include "base/sha256.h"
#include "warren/secure.h"

#define WR_AUDIT_LINE_MAX ((size_t)1 << 20) /* bytes, the line break included */
#define WR_AUDIT_HASH_LEN ((size_t)(2 * WR_SHA256_LEN))
#define WR_AUDIT_NO_HASH  "0000000000000000000000000000000000000000000000000000000000000000"

/* Where a chain is. */
struct wr_audit_link {
    uint64_t seq; /* of the last line; 0 in front of the first */
    char hash[WR_AUDIT_HASH_LEN + 1];
};
void wr_audit_link_init(struct wr_audit_link *link);

/* Appends the line that follows `link`, with its line break, and moves `link` on. */
int wr_audit_line_write(const struct wr_value *record, uint64_t wall_ms, struct wr_audit_link *link,
                        struct wr_buf *out, struct wr_error *err) WR_MUST_CHECK;

struct wr_audit_line {
    struct wr_audit_link link; /* after it */
    char prev[WR_AUDIT_HASH_LEN + 1];
    char time[25];
};
/* A line, without its line break, that is whole in itself. DATA_LOSS says what is wrong with it. */
int wr_audit_line_read(const char *line, size_t len, struct wr_audit_line *ret,
                       struct wr_error *err) WR_MUST_CHECK;
