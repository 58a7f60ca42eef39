#include "primitives/secure/redactor.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "base/str.h"
#include "primitives/secure/redactor_patterns.h"

#define MAX_PATTERNS     256
#define MAX_LITERALS     4096
#define MAX_PATTERN_LEN  4096
#define MAX_LOOKBEHIND   255
#define MAX_REPLACEMENT  256
/* A longer literal is looked for in pieces of this length, each of which can be compiled. */
#define LITERAL_PIECE    ((size_t)16 * 1024)
#define MAX_LITERAL_LEN  ((size_t)1 << 20)
#define ENTROPY_MIN_WORD 20
#define ENTROPY_MAX_WORD 4096

static void *memory_take(size_t size, void *data)
{
    (void)data;
    return malloc(size);
}

static void memory_give(void *memory, void *data)
{
    (void)data;
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

struct wr_redactor *wr_redactor_free(struct wr_redactor *redactor)
{
    if (!redactor)
        return NULL;
    for (size_t i = 0; i < redactor->count; i++)
        if (redactor->detectors[i].owned)
            pcre2_code_free(redactor->detectors[i].code);
    free(redactor->detectors);
    pcre2_general_context_free(redactor->memory);
    free(redactor->replacement);
    free(redactor);
    return NULL;
}

void wr_redactor_free_ptr(struct wr_redactor **redactor)
{
    *redactor = wr_redactor_free(*redactor);
}

/* Room for `count` detectors. */
static struct wr_redactor *redactor_alloc(size_t count, const char *replacement,
                                          struct wr_error *err)
{
    wr_auto_redactor *redactor = wr_calloc(1, sizeof *redactor);

    if (redactor) {
        redactor->detectors = wr_calloc(count + 1, sizeof *redactor->detectors);
        redactor->memory = pcre2_general_context_create(memory_take, memory_give, NULL);
        redactor->replacement = wr_strdup(replacement);
    }
    if (!redactor || !redactor->detectors || !redactor->memory || !redactor->replacement) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redactor");
        return NULL;
    }
    redactor->replacement_len = strlen(replacement);
    return wr_steal_ptr(&redactor);
}

/* What would make a result depend on where a search begins, or on the text as a whole. 0, or where
 * it is in the pattern, and *ret_why. */
static size_t unfit_place(const char *pattern, const char **ret_why)
{
    for (size_t i = 0; pattern[i]; i++) {
        if (pattern[i] == '\\' && pattern[i + 1]) {
            if (pattern[++i] != 'G')
                continue;
            *ret_why = "\\G has no meaning in a stream";
            return i;
        }
        if (pattern[i] == '(' && pattern[i + 1] == '*') {
            *ret_why = "(*...) is not for patterns of a redactor; an opening bracket is \\(";
            return i + 1;
        }
    }
    return 0;
}

/* All assertions together look behind at most so far as the context that is kept. */
static bool looks_too_far_behind(const pcre2_code *code, const char *pattern)
{
    uint32_t most = 0;
    size_t assertions = 1;

    (void)pcre2_pattern_info(code, PCRE2_INFO_MAXLOOKBEHIND, &most);
    for (const char *at = strstr(pattern, "(?<"); at; at = strstr(at + 3, "(?<"))
        assertions++;
    return most > MAX_LOOKBEHIND || most * assertions > WR_REDACT_CONTEXT;
}

static int add_code(struct wr_redactor *redactor, pcre2_code *code, double min_entropy)
{
    redactor->detectors[redactor->count++] =
        (struct wr_detector){.code = code, .owned = true, .min_entropy = min_entropy};
    return 0;
}

static pcre2_code *compile(struct wr_redactor *redactor, const char *pattern, size_t len,
                           uint32_t options, int *ret_error, size_t *ret_offset)
{
    pcre2_compile_context *context = pcre2_compile_context_create(redactor->memory);
    pcre2_code *code = NULL;

    *ret_error = PCRE2_ERROR_HEAP_FAILED;
    if (context)
        code = pcre2_compile((PCRE2_SPTR)pattern, len, options | PCRE2_USE_OFFSET_LIMIT, ret_error,
                             ret_offset, context);
    pcre2_compile_context_free(context);
    return code;
}

/* A pattern, of the caller's or of the table; `what` and `number` name it. */
static int add_pattern(struct wr_redactor *redactor, const char *pattern, const char *what,
                       size_t number, struct wr_error *err)
{
    const char *why = NULL;
    PCRE2_UCHAR reason[120];
    size_t offset = 0;
    int code_error = 0;

    if (!pattern || !*pattern || strlen(pattern) > MAX_PATTERN_LEN)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s %zu: has 1 to %d bytes", what, number,
                       MAX_PATTERN_LEN);
    offset = unfit_place(pattern, &why);
    if (why)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s %zu (%.60s): at byte %zu: %s", what,
                       number, pattern, offset, why);
    pcre2_code *code = compile(redactor, pattern, strlen(pattern),
                               PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, &code_error, &offset);
    if (!code) {
        (void)pcre2_get_error_message(code_error, reason, sizeof reason);
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s %zu (%.60s): at byte %zu: %s", what,
                       number, pattern, offset, (const char *)reason);
    }
    if (looks_too_far_behind(code, pattern)) {
        pcre2_code_free(code);
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "%s %zu (%.60s): looks behind further than %d bytes", what, number, pattern,
                       MAX_LOOKBEHIND);
    }
    return add_code(redactor, code, 0);
}

static int add_literal(struct wr_redactor *redactor, const char *literal, struct wr_error *err)
{
    size_t len = strlen(literal), offset = 0;
    int code_error = 0;

    for (size_t at = 0; at < len; at += LITERAL_PIECE) {
        pcre2_code *code = compile(redactor, literal + at, WR_MIN(len - at, LITERAL_PIECE),
                                   PCRE2_LITERAL, &code_error, &offset);
        if (!code)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "a literal of %zu bytes: error %d", len,
                           code_error);
        (void)add_code(redactor, code, 0);
    }
    return 0;
}

static int add_entropy(struct wr_redactor *redactor, const struct wr_redactor_opts *opts,
                       struct wr_error *err)
{
    size_t min = opts->min_entropy_length ? opts->min_entropy_length : ENTROPY_MIN_WORD;
    char pattern[80];

    if (!(opts->min_entropy > 0 && opts->min_entropy <= 8) || min > ENTROPY_MAX_WORD)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "min_entropy is above 0 and at most 8 bits, of words of at most %d bytes",
                       ENTROPY_MAX_WORD);
    if (!wr_strformat(pattern, sizeof pattern, "[A-Za-z0-9+/=_-]{%zu,%d}+", min, ENTROPY_MAX_WORD))
        return wr_fail(err, WR_E_INTERNAL, 0, "the pattern of words is too long");
    int r = add_pattern(redactor, pattern, "the pattern of words", 0, err);
    if (r == 0)
        redactor->detectors[redactor->count - 1].min_entropy = opts->min_entropy;
    return r;
}

/* The detectors that the literals need; 0 after a failure. */
static size_t count_literals(const char *const *literals, size_t count, struct wr_error *err)
{
    size_t pieces = 1;

    if (count > MAX_LITERALS || (count > 0 && !literals)) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "at most %d literals, not %zu", MAX_LITERALS,
                      count);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        size_t len = literals[i] ? strnlen(literals[i], MAX_LITERAL_LEN + 1) : 0;
        if (len == 0 || len > MAX_LITERAL_LEN) {
            (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "literal %zu has 1 to %zu bytes, not %zu",
                          i, MAX_LITERAL_LEN, len);
            return 0;
        }
        pieces += (len + LITERAL_PIECE - 1) / LITERAL_PIECE;
    }
    return pieces;
}

static int fill(struct wr_redactor *redactor, const struct wr_redactor_opts *opts,
                struct wr_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && !opts->no_defaults && i < wr_secret_pattern_count; i++)
        r = add_pattern(redactor, wr_secret_patterns[i].pattern, wr_secret_patterns[i].name, i,
                        err);
    for (size_t i = 0; r == 0 && i < opts->pattern_count; i++)
        r = add_pattern(redactor, opts->patterns[i], "pattern", i, err);
    for (size_t i = 0; r == 0 && i < opts->literal_count; i++)
        r = add_literal(redactor, opts->literals[i], err);
    if (r == 0 && opts->min_entropy != 0)
        r = add_entropy(redactor, opts, err);
    return r;
}

struct wr_redactor *wr_redactor_new(const struct wr_redactor_opts *given, struct wr_error *err)
{
    wr_auto_redactor *redactor = NULL;
    struct wr_redactor_opts opts;

    if (wr_options_read(given, &opts, sizeof opts, "wr_redactor_opts", err) < 0)
        return NULL;
    if (opts.pattern_count > MAX_PATTERNS || (opts.pattern_count > 0 && !opts.patterns)) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "at most %d patterns, not %zu", MAX_PATTERNS,
                      opts.pattern_count);
        return NULL;
    }
    const char *replacement = opts.replacement ? opts.replacement : "[REDACTED]";
    if (strlen(replacement) > MAX_REPLACEMENT) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a replacement has at most %d bytes",
                      MAX_REPLACEMENT);
        return NULL;
    }
    size_t literals = count_literals(opts.literals, opts.literal_count, err);
    if (literals == 0)
        return NULL;
    redactor = redactor_alloc(wr_secret_pattern_count + opts.pattern_count + literals + 1,
                              replacement, err);
    if (!redactor || fill(redactor, &opts, err) < 0)
        return NULL;
    return wr_steal_ptr(&redactor);
}

struct wr_redactor *wr_redactor_extended(const struct wr_redactor *base,
                                         const char *const *literals, size_t count,
                                         struct wr_error *err)
{
    wr_auto_redactor *redactor = NULL;
    size_t pieces = count_literals(literals, count, err);

    if (pieces == 0)
        return NULL;
    redactor = redactor_alloc(base->count + pieces, base->replacement, err);
    if (!redactor)
        return NULL;
    for (size_t i = 0; i < base->count; i++) {
        redactor->detectors[i] = base->detectors[i];
        redactor->detectors[i].owned = false;
    }
    redactor->count = base->count;
    for (size_t i = 0; i < count; i++)
        if (add_literal(redactor, literals[i], err) < 0)
            return NULL;
    return wr_steal_ptr(&redactor);
}
