#include "base/alloc.h"
#include "primitives/secure/redactor.h"
#include "test.h"

/* The message of the error that the options cause. */
static const char *refused(const struct wr_redactor_opts *opts, struct wr_error *err)
{
    *err = (struct wr_error){0};
    CHECK(wr_redactor_new(opts, err) == NULL);
    CHECK_INT(err->code, WR_E_INVALID_ARGUMENT);
    return err->msg;
}

static char *redacted(const struct wr_redactor_opts *opts, const char *text)
{
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(opts, &err);
    char *got = NULL;
    size_t len = 0;

    if (!redactor)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    CHECK_INT(wr_redact(redactor, text, strlen(text), &got, &len, NULL, &err), 0);
    CHECK_INT(strlen(got), len);
    return got;
}

static void check(const struct wr_redactor_opts *opts, const char *text, const char *expected)
{
    wr_auto_free char *got = redacted(opts, text);

    CHECK_STR(got, expected);
}

TEST(patterns_of_the_callers)
{
    const char *const patterns[] = {"c[a-z]t", "(?i)DOG"};
    const struct wr_redactor_opts *opts =
        WR_OPTS(wr_redactor_opts, .no_defaults = true, .patterns = patterns, .pattern_count = 2,
                .replacement = "*");

    check(opts, "a cat, a cut, a dog, a c t", "a *, a *, a *, a c t");
    check(opts, "password=hunter22", "password=hunter22");
}

TEST(defaults_and_own_together)
{
    const char *const patterns[] = {"project-[0-9]+"};

    check(WR_OPTS(wr_redactor_opts, .patterns = patterns, .pattern_count = 1),
          "project-77 password=hunter22", "[REDACTED] password=[REDACTED]");
}

TEST(literals_are_no_patterns)
{
    const char *const literals[] = {"a.c(", "long secret"};
    const struct wr_redactor_opts *opts =
        WR_OPTS(wr_redactor_opts, .no_defaults = true, .literals = literals, .literal_count = 2);

    check(opts, "abc( a.c( long secret", "abc( [REDACTED] [REDACTED]");
}

TEST(a_literal_longer_than_the_window)
{
    size_t len = 200000;
    wr_auto_free char *literal = malloc(len + 1);
    wr_auto_free char *text = NULL;
    const char *const literals[] = {literal};

    CHECK(literal != NULL);
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < len; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        literal[i] = (char)('a' + state % 26);
    }
    literal[len] = '\0';
    text = wr_asprintf("before %s after", literal);
    CHECK(text != NULL);
    check(WR_OPTS(wr_redactor_opts, .no_defaults = true, .literals = literals, .literal_count = 1),
          text, "before [REDACTED] after");
}

TEST(matches_that_overlap_are_one)
{
    const char *const patterns[] = {"abcd", "cdef", "xy", "yz"};
    const struct wr_redactor_opts *opts =
        WR_OPTS(wr_redactor_opts, .no_defaults = true, .patterns = patterns, .pattern_count = 4,
                .replacement = "#");

    check(opts, "-abcdef-abcd-xyz-", "-#-#-#-");
}

TEST(entropy)
{
    const struct wr_redactor_opts *opts =
        WR_OPTS(wr_redactor_opts, .no_defaults = true, .min_entropy = 3.5);

    check(opts, "key kZ8sQ1xW9rT3vB7nM2pL ok", "key [REDACTED] ok");
    check(opts, "key kZ8sQ1xW9rT3vB7nM2p ok", "key kZ8sQ1xW9rT3vB7nM2p ok");
    check(opts, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    check(
        WR_OPTS(wr_redactor_opts, .no_defaults = true, .min_entropy = 2.5, .min_entropy_length = 8),
        "abcdefgh abababab abcdefg", "[REDACTED] abababab abcdefg");
}

TEST(bad_patterns_are_named)
{
    static const struct {
        const char *pattern, *part;
    } cases[] = {
        {"(unclosed", "missing closing parenthesis"},
        {"", "1 to"},
        {"a\\Gb", "\\G"},
        {"x(*COMMIT)", "(*...)"},
        {"(*UTF)x", "(*...)"},
        {"[z-a]", "range out of order"},
    };
    struct wr_error err;

    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        const char *const patterns[] = {"fine", cases[i].pattern};
        const char *msg =
            refused(WR_OPTS(wr_redactor_opts, .patterns = patterns, .pattern_count = 2), &err);
        CHECK(strstr(msg, "pattern 1") && strstr(msg, cases[i].part));
    }
}

TEST(escapes_that_look_like_what_is_refused)
{
    const char *const patterns[] = {"\\\\G", "\\(*x", "[\\(]*y"};

    check(WR_OPTS(wr_redactor_opts, .no_defaults = true, .patterns = patterns, .pattern_count = 3,
                  .replacement = "#"),
          "a\\G (((x (y", "a# # #");
}

TEST(assertions_look_behind_a_little)
{
    char near[300], far[300];
    const char *const good[] = {near}, *const bad[] = {far};
    struct wr_error err;

    snprintf(near, sizeof near, "(?<=.{255})x");
    snprintf(far, sizeof far, "(?<=.{256})x");
    wr_auto_redactor *redactor =
        wr_redactor_new(WR_OPTS(wr_redactor_opts, .patterns = good, .pattern_count = 1), &err);
    CHECK(redactor != NULL);
    CHECK(strstr(refused(WR_OPTS(wr_redactor_opts, .patterns = bad, .pattern_count = 1), &err),
                 "behind"));
}

TEST(bad_options)
{
    const char *const literals[] = {""};
    char longest[258];
    struct wr_error err;

    memset(longest, 'x', 257);
    longest[257] = '\0';
    CHECK(strstr(refused(WR_OPTS(wr_redactor_opts, .literals = literals, .literal_count = 1), &err),
                 "literal 0"));
    CHECK(strstr(refused(WR_OPTS(wr_redactor_opts, .replacement = longest), &err), "replacement"));
    CHECK(strstr(refused(WR_OPTS(wr_redactor_opts, .min_entropy = 8.1), &err), "min_entropy"));
    CHECK(strstr(refused(WR_OPTS(wr_redactor_opts, .min_entropy = -1), &err), "min_entropy"));
    CHECK(strstr(refused(WR_OPTS(wr_redactor_opts, .pattern_count = 1), &err), "patterns"));
    CHECK(strstr(refused(WR_OPTS(wr_redactor_opts, .literal_count = 1), &err), "literals"));
    longest[256] = '\0';
    check(WR_OPTS(wr_redactor_opts, .no_defaults = true, .replacement = longest), "x", "x");
}

TEST(an_extended_one_has_both)
{
    const char *const literals[] = {"blue-42"};
    struct wr_error err = {0};
    wr_auto_redactor *base = wr_redactor_new(NULL, &err);
    wr_auto_redactor *extended = wr_redactor_extended(base, literals, 1, &err);
    wr_auto_free char *got = NULL, *plain = NULL;
    size_t len = 0, count = 0;
    const char *text = "blue-42 password=hunter22";

    CHECK(extended != NULL);
    CHECK_INT(wr_redact(extended, text, strlen(text), &got, &len, &count, &err), 0);
    CHECK_STR(got, "[REDACTED] password=[REDACTED]");
    CHECK_INT(count, 2);
    extended = wr_redactor_free(extended);
    CHECK_INT(wr_redact(base, text, strlen(text), &plain, &len, &count, &err), 0);
    CHECK_STR(plain, "blue-42 password=[REDACTED]");
}

TEST(nul_bytes_are_text)
{
    const char text[] = "a\0password=hunter22\0b";
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(NULL, &err);
    wr_auto_free char *got = NULL;
    size_t len = 0;

    CHECK_INT(wr_redact(redactor, text, sizeof text - 1, &got, &len, NULL, &err), 0);
    CHECK_INT(len, 1 + 1 + 9 + 10); /* the value goes to the end: NUL is no end of it */
    CHECK(memcmp(got, "a\0password=[REDACTED]", len) == 0);
}

TEST(free_accepts_null)
{
    CHECK(wr_redactor_free(NULL) == NULL);
    CHECK(wr_redaction_free(NULL) == NULL);
}
