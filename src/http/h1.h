/*
 * HTTP/1.1 messages without I/O (RFC 9112): strict parsing of heads, body framing, and writing.
 *
 * What is not clearly right is refused, never repaired: obs-fold, a bare LF or CR, blanks before a
 * colon, control bytes, Content-Length twice or with Transfer-Encoding, any transfer coding but a
 * single "chunked", chunk extensions over the limit, HTTP versions other than 1.0 and 1.1. The same
 * parser runs at the edge and in the agent, so the two cannot differ.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "http/limits.h"

struct wr_h1_header {
    const char *name; /* into the parsed bytes; as sent */
    size_t name_len;
    const char *value; /* outer blanks stripped; may be empty */
    size_t value_len;
};

enum wr_h1_framing {
    WR_H1_BODY_NONE = 0,
    WR_H1_BODY_LENGTH = 1,
    WR_H1_BODY_CHUNKED = 2,
    WR_H1_BODY_UNTIL_CLOSE = 3, /* responses only */
};

struct wr_h1_head {
    /* request */
    const char *method;
    size_t method_len;
    const char *target; /* origin-form, absolute-form or "*"; no control bytes, no blanks, no '#' */
    size_t target_len;
    /* response */
    int status;
    const char *reason;
    size_t reason_len;
    /* both */
    int minor_version; /* 0 or 1 */
    struct wr_h1_header headers[WR_HTTP_MAX_HEADERS];
    size_t header_count;
    enum wr_h1_framing framing;
    uint64_t content_length; /* with WR_H1_BODY_LENGTH */
    bool keep_alive;         /* from version and Connection */
    bool upgrade;            /* Connection: upgrade and an Upgrade field */
    bool expect_continue;
};

/*
 * Parses one head at the front of `data`. Returns its length including the blank line, 0 when more
 * bytes are needed, or -WR_E_INVALID_ARGUMENT with `*ret_status` = the HTTP status to answer with
 * (400, 413, 414, 431, 501, 505). Pointers in `out` point into `data`.
 */
ssize_t wr_h1_parse_request(const char *data, size_t len, struct wr_h1_head *out, int *ret_status,
                            struct wr_error *err) WR_MUST_CHECK;
/* `head_request`: this answers a HEAD, so there is no body whatever the fields say. 1xx, 204, 304
 * have none either. */
ssize_t wr_h1_parse_response(const char *data, size_t len, bool head_request,
                             struct wr_h1_head *out, struct wr_error *err) WR_MUST_CHECK;

/* The first field of that name (ASCII case-insensitive), or NULL. */
const struct wr_h1_header *wr_h1_find(const struct wr_h1_head *head, const char *name);
/* Its value copied with NUL into `out`; false when absent or when it does not fit. */
bool wr_h1_get(const struct wr_h1_head *head, const char *name, char *out, size_t cap);
/* Whether a comma-separated field holds `token` (case-insensitive). */
bool wr_h1_has_token(const struct wr_h1_head *head, const char *name, const char *token);
/* Connection, Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding, Upgrade, and what Connection
 * names (RFC 9110 7.6.1). */
bool wr_h1_is_hop_by_hop(const struct wr_h1_head *head, const struct wr_h1_header *header);

/* Body framing decoder. */
struct wr_h1_body {
    enum wr_h1_framing framing;
    uint64_t remaining; /* of the length, or of the current chunk */
    uint8_t state;      /* private: place in the chunked grammar */
    bool done;
    size_t line_len; /* private: bytes of the current chunk line or trailer section */
};
void wr_h1_body_init(struct wr_h1_body *body, const struct wr_h1_head *head);
/* Whether the sender has promised the bytes that come next: the rest of a length, of a chunk or of
 * a line. Between two chunks, and in a body until the close, it has not. */
bool wr_h1_body_inside(const struct wr_h1_body *body);
/*
 * Looks at `data`; returns how many bytes to drop from the front (0 with *ret_len 0: more needed)
 * and in `*ret_data`,
 * `*ret_len` the payload inside them. Call again until body->done. -WR_E_INVALID_ARGUMENT on bad
 * framing.
 */
ssize_t wr_h1_body_decode(struct wr_h1_body *body, const char *data, size_t len,
                          const char **ret_data, size_t *ret_len, struct wr_error *err)
    WR_MUST_CHECK;

/* Writing. Names and values given by a caller are checked: control bytes are refused with -EINVAL
 * (no header injection). */
int wr_h1_write_request(struct wr_buf *out, const char *method, const char *target) WR_MUST_CHECK;
int wr_h1_write_status(struct wr_buf *out, int status, const char *reason)
    WR_MUST_CHECK; /* reason NULL: standard text */
int wr_h1_write_header(struct wr_buf *out, const char *name, const char *value) WR_MUST_CHECK;
int wr_h1_write_header_n(struct wr_buf *out, const char *name, size_t name_len, const char *value,
                         size_t value_len) WR_MUST_CHECK;
int wr_h1_write_end(struct wr_buf *out) WR_MUST_CHECK; /* the blank line */
int wr_h1_write_last_chunk(struct wr_buf *out) WR_MUST_CHECK;
const char *wr_h1_reason(int status);
