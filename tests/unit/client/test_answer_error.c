#include "client/answer_error.h"
#include "test.h"

static struct wr_error of(int status, const char *body)
{
    struct wr_error err = {0};
    wr_answer_error(status, body, strlen(body), &err);
    return err;
}

TEST(api_form)
{
    struct wr_error err = of(404, "{\"code\":404,\"message\":\"no such thing\"}");
    CHECK_INT(err.code, WR_E_NOT_FOUND);
    CHECK_STR(err.msg, "no such thing");
}

TEST(connect_form_wins_over_the_status)
{
    struct wr_error err = of(400, "{\"code\":\"failed_precondition\",\"message\":\"not now\"}");
    CHECK_INT(err.code, WR_E_FAILED_PRECONDITION);
    CHECK_STR(err.msg, "not now");
}

TEST(anything_else_has_the_status)
{
    static const char *const bodies[] = {"",   "<html>",          "[]",
                                         "{}", "{\"message\":1}", "{\"message\":\"\"}"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(bodies); i++) {
        struct wr_error err = of(503, bodies[i]);
        CHECK_INT(err.code, WR_E_UNAVAILABLE);
        CHECK(strstr(err.msg, "503"));
    }
    CHECK_INT(of(507, "").code, WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(of(418, "").code, WR_E_UNKNOWN);
    CHECK_INT(of(599, "").code, WR_E_INTERNAL);
}

static struct wr_error of_text(int status, const char *body)
{
    struct wr_error err = {0};
    wr_answer_error_text(status, body, strlen(body), &err);
    return err;
}

TEST(plain_text_is_the_message_where_it_is_expected)
{
    struct wr_error err = of_text(404, "Context c1 not found");
    CHECK_INT(err.code, WR_E_NOT_FOUND);
    CHECK_STR(err.msg, "Context c1 not found");
    CHECK_STR(of_text(500, "first\nsecond").msg, "first");
    CHECK_STR(of_text(502, "{\"message\":\"closed\",\"code\":502}").msg, "closed");
    CHECK(strstr(of_text(500, "<html>").msg, "500"));
    CHECK(strstr(of_text(500, "\xff").msg, "500"));
    CHECK(strstr(of_text(500, "\033[2J").msg, "500"));
    CHECK_INT(of_text(422, "{\"detail\":[]}").code, WR_E_INVALID_ARGUMENT);
}

TEST(nobody_makes_a_success_of_an_error)
{
    static const char *const bodies[] = {"{\"code\":\"ok\",\"message\":\"fine\"}",
                                         "{\"code\":\"ok\"}"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(bodies); i++)
        CHECK_INT(of(500, bodies[i]).code, WR_E_INTERNAL);
    CHECK_INT(of(400, "{\"code\":\"no such code\"}").code, WR_E_UNKNOWN);
}

TEST(redirections_are_errors)
{
    struct wr_error err = of(302, "{\"code\":\"not_found\",\"message\":\"elsewhere\"}");

    CHECK_INT(err.code, WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "302"));
    CHECK_INT(of_text(301, "Moved").code, WR_E_FAILED_PRECONDITION);
}

TEST(a_message_does_nothing_to_terminals)
{
    char body[600] = "{\"message\":\"", letters[300] = "";

    CHECK_STR(of(404, "{\"message\":\"a\\u001b[2J\\r\\nb\\u007f\"}").msg, "a [2J  b ");
    CHECK(strstr(of(502, "{\"sandboxId\":\"\\u001b[2J\"}").msg, "502"));
    /* One that is too long ends with a whole character. */
    for (size_t i = 0; i < 149; i++)
        memcpy(letters + 2 * i, "\xc3\xa4", 2);
    snprintf(body, sizeof body, "{\"message\":\"%s\"}", letters);
    struct wr_error err = of(500, body);
    CHECK_INT(strlen(err.msg), 238);
    CHECK(strncmp(err.msg, letters, 238) == 0);
}
