#include "agent/fs/multipart.h"

#include "agent/fs/disposition.h"
#include "base/str.h"

enum state {
    BODY = 0,      /* preamble or the content of a part */
    DELIMITED = 1, /* behind "--boundary" */
    DASH = 2,      /* behind "--boundary-" */
    PADDING = 3,   /* blanks between the boundary and the end of its line */
    LINE_END = 4,  /* behind the CR of that line */
    HEAD = 5,      /* fields of a part */
    EPILOGUE = 6,  /* behind the last boundary: nothing matters any more */
};

bool wr_multipart_is(const char *content_type)
{
    static const char prefix[] = "multipart/";
    size_t len = strlen(prefix);
    return strlen(content_type) > len && wr_memcaseeq(content_type, len, prefix, len);
}

static bool boundary_valid(const char *boundary)
{
    static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "'()+_,-./:=? ";
    size_t len = strlen(boundary);
    return wr_str_only(boundary, set, 1, WR_MULTIPART_BOUNDARY_MAX) && boundary[len - 1] != ' ';
}

int wr_multipart_init(struct wr_multipart *m, const char *content_type,
                      const struct wr_multipart_ops *ops, void *data, struct wr_error *err)
{
    char boundary[WR_MULTIPART_BOUNDARY_MAX + 2];

    if (wr_header_param(content_type, "boundary", boundary, sizeof(boundary)) != WR_PARAM_FOUND ||
        !boundary_valid(boundary))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "error parsing multipart form: the Content-Type has no usable boundary");
    *m = (struct wr_multipart){
        .ops = ops,
        .data = data,
        .state = BODY,
        .delimiter_len = 4 + strlen(boundary),
        .matched = 2, /* the first boundary may stand at the very start, without a line break */
        .head = WR_BUF(WR_MULTIPART_HEAD_MAX),
    };
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary, strlen(boundary));
    return 0;
}

static int malformed(struct wr_error *err, const char *why)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "error parsing multipart form: %s", why);
}

static int emit(const struct wr_multipart *m, const char *bytes, size_t len, struct wr_error *err)
{
    return m->in_part && len > 0 ? m->ops->on_data(bytes, len, m->data, err) : 0;
}

/* What looked like a boundary was content: it is given out, and reading goes on behind it. */
static int not_a_delimiter(struct wr_multipart *m, struct wr_error *err)
{
    size_t held = m->matched;
    bool dash = m->state == DASH;

    m->state = BODY;
    m->matched = 0;
    int rc = emit(m, m->delimiter, held, err);
    return rc == 0 && dash ? emit(m, "-", 1, err) : rc;
}

/*
 * Content up to a delimiter, or to the end of the bytes. A CR stands in a delimiter at its front
 * only; so a match that fails can start anew only where it failed, and at the end of the bytes
 * only the last CR can be the start of one.
 */
static int read_body(struct wr_multipart *m, const char *bytes, size_t len, size_t *ret_used,
                     struct wr_error *err)
{
    size_t used = 0;

    if (m->matched > 0) {
        while (used < len && m->matched < m->delimiter_len &&
               bytes[used] == m->delimiter[m->matched]) {
            used++;
            m->matched++;
        }
        *ret_used = used;
        if (m->matched == m->delimiter_len)
            m->state = DELIMITED;
        return m->state == DELIMITED || used == len ? 0 : not_a_delimiter(m, err);
    }
    const char *found = memmem(bytes, len, m->delimiter, m->delimiter_len);
    if (found) {
        *ret_used = (size_t)(found - bytes) + m->delimiter_len;
        m->matched = m->delimiter_len;
        m->state = DELIMITED;
        return emit(m, bytes, (size_t)(found - bytes), err);
    }
    *ret_used = len;
    size_t tail = WR_MIN(len, m->delimiter_len - 1);
    const char *cr = memrchr(bytes + len - tail, '\r', tail);
    size_t held = cr ? (size_t)(bytes + len - cr) : 0;
    if (held > 0 && memcmp(cr, m->delimiter, held) == 0)
        m->matched = held;
    return emit(m, bytes, len - m->matched, err);
}

/* The delimiter is one: what it ends, ends. */
static int end_part(struct wr_multipart *m, struct wr_error *err)
{
    bool was_in_part = m->in_part;

    m->in_part = false;
    m->matched = 0;
    return was_in_part ? m->ops->on_part_end(m->data, err) : 0;
}

/* One byte behind a boundary. */
static int read_line_end(struct wr_multipart *m, char c, size_t *ret_used, struct wr_error *err)
{
    *ret_used = 1;
    switch (m->state) {
    case DELIMITED:
        if (c == '-' || c == ' ' || c == '\t' || c == '\r') {
            m->state = c == '-' ? DASH : c == '\r' ? LINE_END : PADDING;
            return 0;
        }
        if (c == '\n') /* some read this as a boundary and some do not */
            return malformed(err, "a boundary ends in a bare line feed");
        *ret_used = 0; /* a longer line that begins like the boundary */
        return not_a_delimiter(m, err);
    case DASH:
        if (c == '-') {
            m->state = EPILOGUE;
            return end_part(m, err);
        }
        *ret_used = 0;
        return not_a_delimiter(m, err);
    case PADDING:
        if (c == '\r')
            m->state = LINE_END;
        return c == ' ' || c == '\t' || c == '\r'
                   ? 0
                   : malformed(err, "there is something behind a boundary");
    default: /* LINE_END */
        if (c != '\n')
            return malformed(err, "there is something behind a boundary");
        m->state = HEAD;
        return end_part(m, err);
    }
}

static bool head_complete(const struct wr_buf *head)
{
    const char *p = wr_buf_ptr(head);
    return (head->len == 2 && memcmp(p, "\r\n", 2) == 0) ||
           (head->len >= 4 && memcmp(p + head->len - 4, "\r\n\r\n", 4) == 0);
}

/* Up to the end of a line of a part's head. */
static int read_head(struct wr_multipart *m, const char *bytes, size_t len, size_t *ret_used,
                     struct wr_error *err)
{
    struct wr_multipart_part part;
    const char *newline = memchr(bytes, '\n', len);
    size_t n = newline ? (size_t)(newline - bytes) + 1 : len;

    *ret_used = n;
    if (wr_buf_append(&m->head, bytes, n) < 0)
        return malformed(err, "the head of a part is too large");
    if (!head_complete(&m->head))
        return 0;
    int rc = wr_disposition_read(wr_buf_ptr(&m->head), m->head.len, &part, err);
    wr_buf_done(&m->head);
    if (rc < 0)
        return rc;
    m->state = BODY;
    m->in_part = true;
    return m->ops->on_part(&part, m->data, err);
}

int wr_multipart_feed(struct wr_multipart *m, const char *bytes, size_t len, struct wr_error *err)
{
    int rc = 0;

    while (rc == 0 && len > 0 && m->state != EPILOGUE) {
        size_t used = 0;
        if (m->state == BODY)
            rc = read_body(m, bytes, len, &used, err);
        else if (m->state == HEAD)
            rc = read_head(m, bytes, len, &used, err);
        else
            rc = read_line_end(m, *bytes, &used, err);
        bytes += used;
        len -= used;
    }
    return rc;
}

int wr_multipart_finish(const struct wr_multipart *m, struct wr_error *err)
{
    return m->state == EPILOGUE ? 0 : malformed(err, "unexpected end of the body");
}

void wr_multipart_done(struct wr_multipart *m)
{
    wr_buf_done(&m->head);
}
