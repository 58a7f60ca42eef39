/*
 * A text in pieces is redacted as it is in one. The first byte chooses the length of the pieces,
 * the rest is the text.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "fuzz.h"
#include "primitives/secure/redactor.h"

#define MAX_TEXT ((size_t)256 * 1024)

static void feed(const struct wr_redactor *redactor, const char *text, size_t len, size_t piece,
                 struct wr_buf *out)
{
    struct wr_error err = {0};
    wr_auto_redaction *redaction = wr_redaction_new(redactor, &err);

    HOLDS(redaction);
    for (size_t at = 0;;) {
        size_t count = WR_MIN(piece, len - at);
        wr_auto_free char *safe = NULL;
        size_t safe_len = 0;
        HOLDS(wr_redaction_feed(redaction, text + at, count, at + count == len, &safe, &safe_len,
                                &err) == 0);
        HOLDS(wr_buf_append(out, safe, safe_len) == 0);
        at += count;
        if (at == len)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *const patterns[] = {"(?<=a)b+(?!x)", "\\bfoo\\b", "(?m)^l.*$", "<x+>", "(a+)+z"};
    const char *const literals[] = {"secret word"};
    wr_auto_buf whole = WR_BUF(64 * MAX_TEXT), parts = WR_BUF(64 * MAX_TEXT);
    struct wr_error err = {0};

    if (size < 1 || size > MAX_TEXT)
        return 0;
    struct wr_redactor *redactor = wr_redactor_new(
        WR_OPTS(wr_redactor_opts, .patterns = patterns, .pattern_count = WR_ARRAY_SIZE(patterns),
                .literals = literals, .literal_count = 1, .min_entropy = 3.5),
        &err);
    HOLDS(redactor);
    const char *text = (const char *)data + 1;
    feed(redactor, text, size - 1, size, &whole);
    feed(redactor, text, size - 1, (size_t)data[0] + 1, &parts);
    HOLDS(whole.len == parts.len);
    HOLDS(whole.len == 0 || memcmp(wr_buf_ptr(&whole), wr_buf_ptr(&parts), whole.len) == 0);
    wr_redactor_free(redactor);
    return 0;
}
