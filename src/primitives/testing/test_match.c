#include "primitives/testing/test_match.h"

#include <locale.h>
#include <math.h>
#include <time.h>

#include "base/alloc.h"
#include "base/str.h"

#define MAX_PATTERN   65536
#define MATCH_LIMIT   10000000 /* steps from one place of the output */
#define MATCH_CPU_US  ((uint64_t)1000000)
#define CALLS_A_LOOK  64 /* of the callout, between two looks at the clock */
#define DEPTH_LIMIT   100000
#define HEAP_LIMIT_KB 65536
#define MAX_NUMBER    128 /* bytes of an output that is read as a number */

/* ---- reading ---- */

static int compile(const char *text, size_t len, const char *name, pcre2_code **ret,
                   struct wr_error *err)
{
    PCRE2_UCHAR why[120];
    PCRE2_SIZE offset = 0;
    int code = 0;

    if (len > MAX_PATTERN)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: expected_regex is longer than %d bytes",
                       name, MAX_PATTERN);
    /* \C would look into the middle of characters. Callouts are what stops a match in time. */
    pcre2_code *made = pcre2_compile((PCRE2_SPTR)text, len,
                                     PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT,
                                     &code, &offset, NULL);
    if (!made) {
        if (pcre2_get_error_message(code, why, sizeof why) < 0)
            why[0] = '\0';
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: expected_regex at character %zu: %s",
                       name, (size_t)offset, (const char *)why);
    }
    *ret = made;
    return 0;
}

static int read_number(const json_t *value, const char *name, const char *member, bool negative,
                       double *ret, struct wr_error *err)
{
    if (!value)
        return 0;
    if (!json_is_number(value) || (!negative && json_number_value(value) < 0))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: %s is no number%s", name, member,
                       negative ? "" : " of at least 0");
    *ret = json_number_value(value);
    return 0;
}

static int read_text(const json_t *value, const char *name, struct wr_expectation *ret,
                     struct wr_error *err)
{
    (void)ret;
    return json_is_string(value)
               ? 0
               : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: expected_output is no text", name);
}

static int read_pattern(const json_t *value, const char *name, struct wr_expectation *ret,
                        struct wr_error *err)
{
    if (!json_is_string(value))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: expected_regex is no text", name);
    return compile(json_string_value(value), json_string_length(value), name, &ret->pattern, err);
}

static int read_expected_number(const json_t *value, const char *name, struct wr_expectation *ret,
                                struct wr_error *err)
{
    return read_number(value, name, "expected_number", true, &ret->number, err);
}

static const struct kind {
    const char *member;
    enum wr_expectation_kind kind;
    int (*read)(const json_t *value, const char *name, struct wr_expectation *ret,
                struct wr_error *err);
} kinds[] = {
    {"expected_output", WR_EXPECT_TEXT, read_text},
    {"expected_regex", WR_EXPECT_PATTERN, read_pattern},
    {"expected_number", WR_EXPECT_NUMBER, read_expected_number},
};

static int read_tolerances(const json_t *members, const char *name, struct wr_expectation *ret,
                           struct wr_error *err)
{
    const json_t *absolute = json_object_get(members, "tolerance");
    const json_t *relative = json_object_get(members, "relative_tolerance");

    if (ret->kind != WR_EXPECT_NUMBER && (absolute || relative))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: a tolerance without expected_number",
                       name);
    int r = read_number(absolute, name, "tolerance", false, &ret->tolerance, err);
    return r < 0 ? r
                 : read_number(relative, name, "relative_tolerance", false,
                               &ret->relative_tolerance, err);
}

int wr_expectation_read(const json_t *members, const char *name, struct wr_expectation *ret,
                        struct wr_error *err)
{
    struct wr_expectation made = {0};
    int r = 0;

    for (size_t i = 0; r == 0 && i < WR_ARRAY_SIZE(kinds); i++) {
        json_t *value = json_object_get(members, kinds[i].member);
        if (!value || json_is_null(value))
            continue;
        if (made.kind != WR_EXPECT_NOTHING)
            r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                        "%s: more than one of expected_output, "
                        "expected_regex and expected_number",
                        name);
        else
            r = kinds[i].read(value, name, &made, err);
        made.kind = kinds[i].kind;
        made.shown = value;
    }
    if (r == 0)
        r = read_tolerances(members, name, &made, err);
    if (r < 0) {
        wr_expectation_done(&made);
        return r;
    }
    *ret = made;
    return 0;
}

void wr_expectation_done(struct wr_expectation *expectation)
{
    pcre2_code_free(expectation->pattern);
    *expectation = (struct wr_expectation){0};
}

/* ---- matching ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void strip(const char **text, size_t *len)
{
    while (*len > 0 && is_space((*text)[*len - 1]))
        --*len;
    while (*len > 0 && is_space(**text)) {
        ++*text;
        --*len;
    }
}

static enum wr_match match_text(const struct wr_expectation *expectation, const char *output,
                                size_t len)
{
    const char *expected = json_string_value(expectation->shown);
    size_t expected_len = json_string_length(expectation->shown);

    strip(&expected, &expected_len);
    strip(&output, &len);
    return len == expected_len && (len == 0 || memcmp(output, expected, len) == 0) ? WR_MATCH_YES
                                                                                   : WR_MATCH_NO;
}

struct match_time {
    uint64_t end_us;
    unsigned calls;
};

static uint64_t cpu_us(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* PCRE2's own limits count anew for each place at which a match may begin, of which an output has
 * millions. This is called before each item of the pattern, at each place. */
static int still_in_time(pcre2_callout_block *block, void *data)
{
    struct match_time *time = data;

    (void)block;
    return ++time->calls % CALLS_A_LOOK == 0 && cpu_us() > time->end_us ? PCRE2_ERROR_CALLOUT : 0;
}

static enum wr_match match_pattern(const struct wr_expectation *expectation, const char *output,
                                   size_t len)
{
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(expectation->pattern, NULL);
    struct match_time time = {.end_us = cpu_us() + MATCH_CPU_US};
    int r = PCRE2_ERROR_NOMEMORY;

    if (context && data) {
        pcre2_set_match_limit(context, MATCH_LIMIT);
        pcre2_set_depth_limit(context, DEPTH_LIMIT);
        pcre2_set_heap_limit(context, HEAP_LIMIT_KB);
        pcre2_set_callout(context, still_in_time, &time);
        r = pcre2_match(expectation->pattern, (PCRE2_SPTR)output, len, 0, 0, data, context);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    if (r == PCRE2_ERROR_NOMATCH)
        return WR_MATCH_NO;
    return r < 0 ? WR_MATCH_TOO_HARD : WR_MATCH_YES;
}

static enum wr_match match_number(const struct wr_expectation *expectation, const char *output,
                                  size_t len)
{
    char text[MAX_NUMBER + 1], *end = NULL;

    strip(&output, &len);
    if (len == 0 || len > MAX_NUMBER)
        return WR_MATCH_NO;
    memcpy(text, output, len);
    text[len] = '\0';
    locale_t plain = newlocale(LC_ALL_MASK, "C", NULL); /* the program's may have a comma */
    if (!plain)
        return WR_MATCH_NO;
    double number = strtod_l(text, &end, plain);
    freelocale(plain);
    if (end != text + len || !isfinite(number)) /* no number in JSON is infinite */
        return WR_MATCH_NO;
    double allowed =
        fmax(expectation->tolerance, expectation->relative_tolerance * fabs(expectation->number));
    return fabs(number - expectation->number) <= allowed ? WR_MATCH_YES : WR_MATCH_NO;
}

enum wr_match wr_expectation_match(const struct wr_expectation *expectation, const char *output,
                                   size_t len)
{
    static enum wr_match (*const match[])(const struct wr_expectation *, const char *, size_t) = {
        [WR_EXPECT_TEXT] = match_text,
        [WR_EXPECT_PATTERN] = match_pattern,
        [WR_EXPECT_NUMBER] = match_number,
    };

    return expectation->kind == WR_EXPECT_NOTHING
               ? WR_MATCH_YES
               : match[expectation->kind](expectation, output, len);
}
