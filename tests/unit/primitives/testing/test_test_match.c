#include "base/alloc.h"
#include "primitives/testing/test_match.h"
#include "test.h"

static enum wr_match match(const char *members_text, const char *output)
{
    json_t *members = json_loads(members_text, 0, NULL);
    struct wr_expectation expectation = {0};
    struct wr_error err = {0};

    CHECK(members);
    CHECK_INT(wr_expectation_read(members, "case", &expectation, &err), 0);
    enum wr_match found = wr_expectation_match(&expectation, output, strlen(output));
    wr_expectation_done(&expectation);
    json_decref(members);
    return found;
}

static void refused(const char *members_text, const char *with)
{
    json_t *members = json_loads(members_text, 0, NULL);
    struct wr_expectation expectation = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_expectation_read(members, "test_cases[2]", &expectation, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "test_cases[2]") && strstr(err.msg, with));
    CHECK(!expectation.pattern);
    json_decref(members);
}

TEST(nothing_is_expected)
{
    CHECK_INT(match("{}", "whatever"), WR_MATCH_YES);
    CHECK_INT(match("{\"expected_output\": null}", "whatever"), WR_MATCH_YES);
}

TEST(text_without_white_space_at_both_ends)
{
    CHECK_INT(match("{\"expected_output\": \"120\"}", "120\n"), WR_MATCH_YES);
    CHECK_INT(match("{\"expected_output\": \" 120\\n\\n\"}", "\t120"), WR_MATCH_YES);
    CHECK_INT(match("{\"expected_output\": \"a  b\"}", "a b"), WR_MATCH_NO);
    CHECK_INT(match("{\"expected_output\": \"12\"}", "120"), WR_MATCH_NO);
    CHECK_INT(match("{\"expected_output\": \"\"}", " \n"), WR_MATCH_YES);
    CHECK_INT(match("{\"expected_output\": \"\"}", "x"), WR_MATCH_NO);
}

TEST(patterns_are_searched)
{
    CHECK_INT(match("{\"expected_regex\": \"^[0-9]+$\"}", "120"), WR_MATCH_YES);
    CHECK_INT(match("{\"expected_regex\": \"b.d\"}", "abcde"), WR_MATCH_YES);
    CHECK_INT(match("{\"expected_regex\": \"^b\"}", "abc"), WR_MATCH_NO);
    CHECK_INT(match("{\"expected_regex\": \"(?m)^b$\"}", "a\nb\nc"), WR_MATCH_YES);
    CHECK_INT(match("{\"expected_regex\": \"^.$\"}", "\u20ac"), WR_MATCH_YES);
}

TEST(patterns_have_limits)
{
    CHECK_INT(match("{\"expected_regex\": \"^(a+)+$\"}",
                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
              WR_MATCH_TOO_HARD);
}

/* From each of millions of places a match takes some steps, none of them too many. */
TEST(patterns_have_a_limit_over_all_places)
{
    static const char *const patterns[] = {"{\"expected_regex\": \"x.*y\"}",
                                           "{\"expected_regex\": \"x[^\\n]*+y\"}",
                                           "{\"expected_regex\": \"(x+x+)+y\"}"};
    size_t len = (size_t)2 << 20;
    wr_auto_free char *output = malloc(len + 1);

    memset(output, 'x', len);
    memcpy(output + len - 2, "\ny", 3);
    for (size_t i = 0; i < WR_ARRAY_SIZE(patterns); i++)
        CHECK_INT(match(patterns[i], output), WR_MATCH_TOO_HARD);
    output[len - 2] = 'x';
    CHECK_INT(match(patterns[0], output), WR_MATCH_YES);
}

TEST(numbers)
{
    CHECK_INT(match("{\"expected_number\": 3}", " 3.0\n"), WR_MATCH_YES);
    CHECK_INT(match("{\"expected_number\": 3}", "3.0001"), WR_MATCH_NO);
    CHECK_INT(match("{\"expected_number\": 3, \"tolerance\": 0.25}", "3.25"), WR_MATCH_YES);
    CHECK_INT(match("{\"expected_number\": 3, \"tolerance\": 0.25}", "3.26"), WR_MATCH_NO);
    CHECK_INT(match("{\"expected_number\": -200, \"relative_tolerance\": 0.01}", "-202"),
              WR_MATCH_YES);
    CHECK_INT(match("{\"expected_number\": -200, \"relative_tolerance\": 0.01}", "-202.1"),
              WR_MATCH_NO);
    CHECK_INT(match("{\"expected_number\": 1e3}", "1000"), WR_MATCH_YES);
    CHECK_INT(match("{\"expected_number\": 3}", ""), WR_MATCH_NO);
    CHECK_INT(match("{\"expected_number\": 3}", "3 apples"), WR_MATCH_NO);
    CHECK_INT(match("{\"expected_number\": 3, \"tolerance\": 1e300}", "nan"), WR_MATCH_NO);
    CHECK_INT(match("{\"expected_number\": 3, \"tolerance\": 1e300}", "inf"), WR_MATCH_NO);
}

TEST(what_is_wrong_is_named)
{
    refused("{\"expected_output\": 1}", "expected_output is no text");
    refused("{\"expected_regex\": \"(\"}", "expected_regex at character 1");
    refused("{\"expected_regex\": 1}", "expected_regex");
    refused("{\"expected_number\": \"1\"}", "expected_number");
    refused("{\"expected_number\": 1, \"tolerance\": -1}", "tolerance");
    refused("{\"expected_output\": \"1\", \"tolerance\": 1}", "without expected_number");
    refused("{\"expected_output\": \"1\", \"expected_number\": 1}", "more than one");
    refused("{\"expected_output\": \"1\", \"expected_regex\": \"1\"}", "more than one");
}
