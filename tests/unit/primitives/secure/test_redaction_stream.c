#include "base/alloc.h"
#include "base/buf.h"
#include "primitives/secure/redactor.h"
#include "test.h"

/* Pseudo-random, the same in each run. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

struct cut {
    size_t len;
    uint64_t seed;  /* 0: pieces of `len` bytes, else random ones up to it */
    size_t first;   /* of the first piece; 0: as the others */
    bool empty_end; /* the last feed has no bytes */
};

/* Feeds the text in pieces; what came out, NUL-terminated. */
static char *in_pieces(const struct wr_redactor *redactor, const char *text, size_t len,
                       struct cut cut, size_t *ret_len, size_t *ret_count)
{
    struct wr_error err = {0};
    wr_auto_redaction *redaction = wr_redaction_new(redactor, &err);
    wr_auto_buf all = WR_BUF(1 << 26);
    uint64_t seed = cut.seed;

    CHECK(redaction != NULL);
    for (size_t at = 0;;) {
        size_t piece = cut.seed ? next_random(&seed) % (cut.len + 1) : cut.len;
        if (at == 0 && cut.first)
            piece = cut.first;
        piece = WR_MIN(piece, len - at);
        bool last = at + piece == len && (!cut.empty_end || piece == 0);
        wr_auto_free char *out = NULL;
        size_t out_len = 0;
        CHECK_INT(wr_redaction_feed(redaction, text + at, piece, last, &out, &out_len, &err), 0);
        CHECK_INT(wr_buf_append(&all, out, out_len), 0);
        at += piece;
        if (last)
            break;
    }
    *ret_len = all.len;
    if (ret_count)
        *ret_count = wr_redaction_count(redaction);
    char *copy = wr_strndup(all.len ? wr_buf_ptr(&all) : "", all.len);
    CHECK(copy != NULL);
    memcpy(copy, wr_buf_ptr(&all) ? wr_buf_ptr(&all) : "", all.len);
    return copy;
}

static void same(const struct wr_redactor *redactor, const char *text, size_t len, struct cut cut,
                 const char *whole, size_t whole_len, size_t whole_count)
{
    size_t got_len = 0, got_count = 0;
    wr_auto_free char *got = in_pieces(redactor, text, len, cut, &got_len, &got_count);

    if (got_len != whole_len || memcmp(got, whole, got_len) != 0 || got_count != whole_count)
        wr_test_fail(__FILE__, __LINE__,
                     "pieces of %zu (first %zu, seed %llu): %zu bytes, %zu places instead of %zu, "
                     "%zu: \"%.300s\" instead of \"%.300s\"",
                     cut.len, cut.first, (unsigned long long)cut.seed, got_len, got_count,
                     whole_len, whole_count, got, whole);
}

/* Every place for one cut, pieces of every small length, random cuts. */
static void check_all_cuts(const struct wr_redactor *redactor, const char *text, size_t len)
{
    struct wr_error err = {0};
    wr_auto_free char *whole = NULL;
    size_t whole_len = 0, count = 0;

    CHECK_INT(wr_redact(redactor, text, len, &whole, &whole_len, &count, &err), 0);
    for (size_t first = 1; first < len; first++)
        same(redactor, text, len, (struct cut){.first = first, .len = len}, whole, whole_len,
             count);
    for (size_t piece = 1; piece <= 7; piece++)
        same(redactor, text, len, (struct cut){.len = piece, .empty_end = piece % 2}, whole,
             whole_len, count);
    for (uint64_t seed = 1; seed <= 20; seed++)
        same(redactor, text, len, (struct cut){.len = 40, .seed = seed, .empty_end = seed % 2},
             whole, whole_len, count);
}

static const char *const fragments[] = {
    "password=hunter22",
    "sk-0123456789abcdef0123456789abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
    "https://joe:geheim@example.org/",
    "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nMII",
    "Bearer abcdefghijklmnopqrst",
    "token: \"",
    "{\"secret\": ",
    "\xc3\xa4\xf0\x9f\x90\x87",
    "\xff\xfe",
    "sk-",
    "-----",
    "ab",
    "x",
    " ",
    "\n",
    "kZ8sQ1xW9rT3vB7nM2pLq4",
};

static size_t random_text(uint64_t seed, char *out, size_t cap)
{
    size_t len = 0;

    for (;;) {
        const char *one = fragments[next_random(&seed) % WR_ARRAY_SIZE(fragments)];
        size_t cut =
            next_random(&seed) % 4 == 0 ? next_random(&seed) % (strlen(one) + 1) : strlen(one);
        if (len + cut > cap)
            return len;
        memcpy(out + len, one, cut);
        len += cut;
    }
}

TEST(every_cut_gives_the_same)
{
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(NULL, &err);
    char text[300];

    for (uint64_t seed = 1; seed <= 12; seed++)
        check_all_cuts(redactor, text, random_text(seed * 977, text, sizeof text));
}

/* Patterns that look at more than what they match. */
TEST(every_cut_gives_the_same_for_any_pattern)
{
    const char *const patterns[] = {
        "(?<=a)b+(?!x)", "\\bfoo\\b", "(?m)^l.*$",   "end$",        "\\Astart",      "o(?=ne)",
        "(a|ab)(c|bcd)", "x.*?y",     "(\\w)\\1\\1", "(?<!q)\\d+",  "key=\\K[a-z]+", "(?s)<.*>",
        "\\z",           "q*",        "abcabc",      "(?i)STRASSE",
    };
    const char *const pieces[] = {"start", "foo",   "b",   "a",    "x",      "end", "l",      "one",
                                  "abcd",  "y",     "111", "q7",   "key=ab", "<",   ">",      "\n",
                                  " ",     "abcab", "c",   "food", "o",      "qq",  "strasse"};
    struct wr_error err = {0};
    wr_auto_redactor *redactor =
        wr_redactor_new(WR_OPTS(wr_redactor_opts, .no_defaults = true, .patterns = patterns,
                                .pattern_count = WR_ARRAY_SIZE(patterns), .replacement = "#",
                                .min_entropy = 3, .min_entropy_length = 9),
                        &err);

    CHECK(redactor != NULL);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t state = seed * 1013;
        char text[90];
        size_t len = 0;
        for (;;) {
            const char *one = pieces[next_random(&state) % WR_ARRAY_SIZE(pieces)];
            if (len + strlen(one) > sizeof text)
                break;
            memcpy(text + len, one, strlen(one));
            len += strlen(one);
        }
        check_all_cuts(redactor, text, len);
    }
}

/* `count` of `fill`, with `text` at `at`. */
static char *long_text(size_t count, char fill, size_t at, const char *text)
{
    char *all = malloc(count + 1);

    CHECK(all != NULL);
    memset(all, fill, count);
    memcpy(all + at, text, strlen(text));
    all[count] = '\0';
    return all;
}

static void check_some_cuts(const struct wr_redactor *redactor, const char *text, size_t len,
                            const char *whole, size_t whole_len, size_t count)
{
    static const size_t lengths[] = {1000, 4099, 65535, 65536, 65537, 131073};

    for (size_t i = 0; i < WR_ARRAY_SIZE(lengths); i++)
        same(redactor, text, len, (struct cut){.len = lengths[i]}, whole, whole_len, count);
    for (uint64_t seed = 1; seed <= 6; seed++)
        same(redactor, text, len, (struct cut){.len = 30000, .seed = seed}, whole, whole_len,
             count);
}

TEST(a_match_beyond_the_window_is_left_out_in_parts)
{
    const char *const patterns[] = {"<x+>"};
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(
        WR_OPTS(wr_redactor_opts, .no_defaults = true, .patterns = patterns, .pattern_count = 1),
        &err);
    size_t len = 3 * WR_REDACT_WINDOW + 5, got_len = 0, count = 0;
    wr_auto_free char *text = long_text(len, 'x', 10, "<");
    wr_auto_free char *got = NULL;

    CHECK_INT(wr_redact(redactor, text, len, &got, &got_len, &count, &err), 0);
    CHECK(strncmp(got, "xxxxxxxxxx[REDACTED] (a pattern reached its limit", 49) == 0);
    CHECK_INT(count, 1);
    /* Only what such a match could have reached is gone. */
    CHECK_INT(strlen(strrchr(got, ')') + 1), len - 10 - WR_REDACT_WINDOW);
    check_some_cuts(redactor, text, len, got, got_len, count);
}

TEST(a_match_just_within_the_window)
{
    const char *const patterns[] = {"<x+>"};
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(
        WR_OPTS(wr_redactor_opts, .no_defaults = true, .patterns = patterns, .pattern_count = 1),
        &err);

    for (size_t more = 0; more <= 2; more++) {
        size_t inside = WR_REDACT_WINDOW - 2 + more, got_len = 0, count = 0;
        wr_auto_free char *text = long_text(inside + 12, 'x', 5, "<");
        wr_auto_free char *got = NULL;
        text[5 + inside + 1] = '>';
        CHECK_INT(wr_redact(redactor, text, inside + 12, &got, &got_len, &count, &err), 0);
        CHECK_INT(count, 1);
        CHECK_INT(strstr(got, "limit") != NULL, more > 0);
        check_some_cuts(redactor, text, inside + 12, got, got_len, count);
    }
}

/* A pattern with exponential work on a text that nobody checked. */
TEST(a_runaway_pattern_is_stopped_and_hides_the_text)
{
    const char *const patterns[] = {"(a+)+b"};
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(
        WR_OPTS(wr_redactor_opts, .no_defaults = true, .patterns = patterns, .pattern_count = 1),
        &err);
    size_t len = 2 * WR_REDACT_WINDOW, got_len = 0, count = 0;
    wr_auto_free char *text = long_text(len, '-', 100, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    wr_auto_free char *got = NULL;

    CHECK_INT(wr_redact(redactor, text, len, &got, &got_len, &count, &err), 0);
    CHECK_INT(count, 1);
    CHECK(strncmp(got + 100, "[REDACTED] (a pattern reached its limit", 39) == 0);
    CHECK(strstr(got, "aaaa") == NULL);
    check_some_cuts(redactor, text, len, got, got_len, count);
}

/* Many places that each take much, but less than the limit: the sum is bounded too. */
TEST(costly_places_are_counted)
{
    const char *const patterns[] = {"(a|b|ab)*c"};
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(
        WR_OPTS(wr_redactor_opts, .no_defaults = true, .patterns = patterns, .pattern_count = 1),
        &err);
    size_t len = 3 * WR_REDACT_WINDOW, got_len = 0, count = 0;
    wr_auto_free char *text = long_text(len, '-', 0, "");
    wr_auto_free char *got = NULL;

    for (size_t at = 50; at + 20 < len; at += 100)
        memcpy(text + at, "abababababababababab", 20);
    CHECK_INT(wr_redact(redactor, text, len, &got, &got_len, &count, &err), 0);
    CHECK(count >= 1 && strstr(got, "limit") != NULL);
    check_some_cuts(redactor, text, len, got, got_len, count);
}

TEST(a_long_word_of_high_entropy)
{
    struct wr_error err = {0};
    wr_auto_redactor *redactor =
        wr_redactor_new(WR_OPTS(wr_redactor_opts, .no_defaults = true, .min_entropy = 4), &err);
    size_t len = 3 * WR_REDACT_WINDOW, got_len = 0, count = 0;
    wr_auto_free char *text = malloc(len);
    wr_auto_free char *got = NULL;
    uint64_t seed = 5;

    for (size_t i = 0; i < len; i++)
        text[i] = (char)('A' + next_random(&seed) % 26);
    text[len - 1] = ' ';
    CHECK_INT(wr_redact(redactor, text, len, &got, &got_len, &count, &err), 0);
    CHECK_STR(got, "[REDACTED] ");
    check_some_cuts(redactor, text, len, got, got_len, count);
}

/* Ordinary lines do not wait. */
TEST(what_is_safe_comes_at_once)
{
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(NULL, &err);
    wr_auto_redaction *redaction = wr_redaction_new(redactor, &err);
    wr_auto_free char *one = NULL, *two = NULL, *three = NULL;
    size_t len = 0;

    CHECK_INT(wr_redaction_feed(redaction, "step 1 of 2\n", 12, false, &one, &len, &err), 0);
    CHECK_STR(one, "step 1 of 2\n");
    CHECK_INT(wr_redaction_feed(redaction, "the password=hun", 16, false, &two, &len, &err), 0);
    CHECK(strncmp(two, "the ", 4) == 0 && !strstr(two, "hun"));
    CHECK_INT(wr_redaction_feed(redaction, "ter22\n", 6, false, &three, &len, &err), 0);
    CHECK(strstr(three, "[REDACTED]\n") && !strstr(three, "ter22"));
}

TEST(no_piece_ends_within_a_character)
{
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(NULL, &err);
    wr_auto_redaction *redaction = wr_redaction_new(redactor, &err);
    wr_auto_free char *one = NULL, *two = NULL;
    size_t len = 0;

    CHECK_INT(wr_redaction_feed(redaction, "h\xf0\x9f\x90", 4, false, &one, &len, &err), 0);
    CHECK_STR(one, "h");
    CHECK_INT(wr_redaction_feed(redaction, "\x87", 1, false, &two, &len, &err), 0);
    CHECK_STR(two, "\xf0\x9f\x90\x87");
}

TEST(nothing_follows_the_last_piece)
{
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(NULL, &err);
    wr_auto_redaction *redaction = wr_redaction_new(redactor, &err);
    wr_auto_free char *one = NULL;
    char *two = NULL;
    size_t len = 0;

    CHECK_INT(wr_redaction_feed(redaction, NULL, 0, true, &one, &len, &err), 0);
    CHECK_INT(len, 0);
    CHECK_INT(wr_redaction_feed(redaction, "x", 1, true, &two, &len, &err),
              -WR_E_FAILED_PRECONDITION);
    CHECK(two == NULL);
    CHECK(wr_redaction_new(NULL, &err) == NULL);
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
}
