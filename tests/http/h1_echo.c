/*
 * Says what the codec reads in given bytes, for a comparison with another parser. Input: cases,
 * each a kind ('q' requests, 'r' a response, 'h' a response to HEAD), the length of the pieces in
 * which the body decoder gets its input and the length of the bytes (both 4 bytes, little endian),
 * then the bytes. Output: one JSON object per case and line; all bytes are base64.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "http/h1.h"
#include "json/jwrite.h"

#define MAX_CASE     ((size_t)4 * 1024 * 1024)
#define MAX_MESSAGES 64

struct echo_case {
    char kind;
    size_t piece; /* bytes that the body decoder is shown at once */
    const char *data;
    size_t len;
};

enum outcome { OUTCOME_COMPLETE, OUTCOME_MORE, OUTCOME_REFUSED };

static const char *const outcome_names[] = {"complete", "more", "refused"};

static void write_fields(struct wr_jw *w, const struct wr_h1_head *head)
{
    wr_jw_key(w, "fields");
    wr_jw_array(w);
    for (size_t i = 0; i < head->header_count; i++) {
        wr_jw_array(w);
        wr_jw_base64(w, head->headers[i].name, head->headers[i].name_len);
        wr_jw_base64(w, head->headers[i].value, head->headers[i].value_len);
        wr_jw_end(w);
    }
    wr_jw_end(w);
}

static void write_head(struct wr_jw *w, const struct wr_h1_head *head)
{
    static const char *const framing[] = {"none", "length", "chunked", "until_close"};

    if (head->method) {
        wr_jw_key(w, "method");
        wr_jw_base64(w, head->method, head->method_len);
        wr_jw_key(w, "target");
        wr_jw_base64(w, head->target, head->target_len);
    } else {
        wr_jw_ki64(w, "status", head->status);
        wr_jw_key(w, "reason");
        wr_jw_base64(w, head->reason, head->reason_len);
    }
    wr_jw_ki64(w, "minor", head->minor_version);
    write_fields(w, head);
    wr_jw_kstr(w, "framing", framing[head->framing]);
    wr_jw_kbool(w, "keep_alive", head->keep_alive);
    wr_jw_kbool(w, "upgrade", head->upgrade);
    wr_jw_kbool(w, "expect", head->expect_continue);
}

/* Decodes one body at data + *pos, which moves behind it. */
static enum outcome read_body(const struct echo_case *c, const struct wr_h1_head *head, size_t *pos,
                              struct wr_buf *payload, struct wr_error *err)
{
    struct wr_h1_body body;

    wr_h1_body_init(&body, head);
    while (!body.done && *pos < c->len) {
        const char *data = NULL;
        size_t len = 0;
        ssize_t n = wr_h1_body_decode(&body, c->data + *pos, WR_MIN(c->piece, c->len - *pos), &data,
                                      &len, err);
        if (n <= 0 || wr_buf_append(payload, data, len) < 0)
            return OUTCOME_REFUSED;
        *pos += (size_t)n;
    }
    return body.done || head->framing == WR_H1_BODY_UNTIL_CLOSE ? OUTCOME_COMPLETE : OUTCOME_MORE;
}

/* One message at data + *pos; returns how it ended. */
static enum outcome read_message(const struct echo_case *c, size_t *pos, struct wr_jw *w)
{
    wr_auto_buf payload = WR_BUF(MAX_CASE);
    struct wr_error err = {0};
    struct wr_h1_head head;
    int status = 0;

    ssize_t n =
        c->kind == 'q'
            ? wr_h1_parse_request(c->data + *pos, c->len - *pos, &head, &status, &err)
            : wr_h1_parse_response(c->data + *pos, c->len - *pos, c->kind == 'h', &head, &err);
    if (n < 0)
        wr_jw_kstr(w, "why", err.msg);
    if (n <= 0)
        return n < 0 ? OUTCOME_REFUSED : OUTCOME_MORE;
    *pos += (size_t)n;
    write_head(w, &head);
    enum outcome outcome = read_body(c, &head, pos, &payload, &err);
    wr_jw_key(w, "body");
    wr_jw_base64(w, wr_buf_ptr(&payload), payload.len);
    if (outcome == OUTCOME_REFUSED)
        wr_jw_kstr(w, "why", err.msg);
    return outcome;
}

static void run_case(const struct echo_case *c, struct wr_jw *w)
{
    size_t pos = 0;
    enum outcome outcome = OUTCOME_COMPLETE;

    wr_jw_object(w);
    wr_jw_key(w, "messages");
    wr_jw_array(w);
    for (int i = 0; i < MAX_MESSAGES && outcome == OUTCOME_COMPLETE && pos < c->len; i++) {
        wr_jw_object(w);
        outcome = read_message(c, &pos, w);
        wr_jw_kstr(w, "outcome", outcome_names[outcome]);
        wr_jw_end(w);
    }
    wr_jw_end(w);
    wr_jw_ku64(w, "used", pos);
    wr_jw_end(w);
}

/* 1 with a case, 0 at the end of the input, -1 for input that is no case. */
static int next_case(struct echo_case *c, char *memory)
{
    unsigned char h[9];

    ssize_t n = wr_read_full(STDIN_FILENO, h, sizeof h);
    if (n <= 0)
        return n == 0 ? 0 : -1;
    c->kind = (char)h[0];
    c->piece = (size_t)h[1] | (size_t)h[2] << 8 | (size_t)h[3] << 16 | (size_t)h[4] << 24;
    c->len = (size_t)h[5] | (size_t)h[6] << 8 | (size_t)h[7] << 16 | (size_t)h[8] << 24;
    c->data = memory;
    if (n != sizeof h || c->piece == 0 || c->len > MAX_CASE)
        return -1;
    return wr_read_full(STDIN_FILENO, memory, c->len) == (ssize_t)c->len ? 1 : -1;
}

int main(void)
{
    static char memory[MAX_CASE];
    struct echo_case c = {0};
    int r = 0;

    while ((r = next_case(&c, memory)) > 0) {
        wr_auto_buf out = WR_BUF(16 * MAX_CASE);
        struct wr_jw w;

        wr_jw_init(&w, &out);
        run_case(&c, &w);
        if (wr_jw_finish(&w) < 0 || wr_buf_append_char(&out, '\n') < 0 ||
            wr_write_all(STDOUT_FILENO, wr_buf_ptr(&out), out.len) < 0)
            return 1;
    }
    if (r < 0)
        (void)fputs("h1_echo: the input is not a list of cases\n", stderr);
    return r < 0;
}
