/* A blank sandbox gets its user, once. */
#include "live.h"
#include "test.h"

#define TOKEN     "0123456789abcdef"
#define HAS_TOKEN "X-Access-Token: " TOKEN

static const char *const right[] = {HAS_TOKEN, NULL};
static const char *const user[] = {"X-Access-Token: of-the-user", NULL};
static const char *const none[] = {NULL};

static void request(struct live *live, const char *method, const char *target,
                    const char *const *headers, const char *body, int status, const char *text)
{
    struct reply reply;

    live_request(live, &reply, method, target, headers, body, body ? strlen(body) : 0);
    if (reply.status != status || (text && !strstr(wr_buf_cstr(&reply.body), text)))
        wr_test_fail(__FILE__, __LINE__, "%s %s: %d %s", method, target, reply.status,
                     wr_buf_cstr(&reply.body));
    reply_done(&reply);
}

TEST(a_blank_sandbox_answers_to_its_token_only)
{
    auto_live live = {0};
    live_start_blank(&live, TOKEN);
    request(&live, "GET", "/health", none, NULL, 401, NULL);
    request(&live, "GET", "/files?path=/etc/hostname", none, NULL, 401, NULL);
    request(&live, "GET", "/init", none, NULL, 401, NULL);
    request(&live, "POST", "/init", none, "{}", 401, NULL);
    request(&live, "POST", "/init", user, "{}", 401, NULL);
    request(&live, "GET", "/health", right, NULL, 204, NULL);
    request(&live, "GET", "/init", right, NULL, 200, "{\"blank\":true,\"ready\":true}");
}

TEST(what_does_not_fit_changes_nothing)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{\"accessToken\":\"\"}",
        "{\"accessToken\":7}",
        "{\"envVars\":[]}",
        "{\"envVars\":{\"A\":1}}",
        "{\"envVars\":{\"A=B\":\"c\"}}",
        "{\"timestamp\":\"now\"}",
        "{\"lifecycleID\":\"x\"}",
    };
    auto_live live = {0};
    live_start_blank(&live, TOKEN);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        request(&live, "POST", "/init", right, bodies[i], 400, NULL);
    request(&live, "GET", "/init", right, NULL, 200, "\"blank\":true");
    request(&live, "GET", "/envs", right, NULL, 200, "{\"GLOBAL\":\"from the sandbox\"");
}

TEST(environment_and_token_become_the_users)
{
    auto_live live = {0};
    live_start_blank(&live, TOKEN);
    request(&live, "POST", "/init", right,
            "{\"envVars\":{\"GLOBAL\":\"of the user\",\"E2B_SANDBOX_ID\":\"forged\"},"
            "\"accessToken\":\"of-the-user\",\"timestamp\":\"2026-01-01T00:00:00Z\"}",
            204, NULL);
    request(&live, "GET", "/envs", right, NULL, 401, NULL);
    request(&live, "GET", "/envs", user, NULL, 200, "\"GLOBAL\":\"of the user\"");
    request(&live, "GET", "/envs", user, NULL, 200, "\"E2B_SANDBOX_ID\":\"aaaaaaaaaaaaaaaaaaaa\"");
    request(&live, "GET", "/health", none, NULL, 204, NULL); /* open again */
    /* Never a second time, whoever asks. */
    request(&live, "POST", "/init", user, "{}", 409, NULL);
    request(&live, "POST", "/init", right, "{}", 401, NULL);
    request(&live, "POST", "/init", none, "{}", 401, NULL);
    request(&live, "GET", "/init", user, NULL, 200, "{\"blank\":false,\"ready\":false}");
}

TEST(a_sandbox_without_a_token_and_variables)
{
    auto_live live = {0};
    live_start_blank(&live, TOKEN);
    request(&live, "POST", "/init", right, "{\"accessToken\":null}", 204, NULL);
    request(&live, "GET", "/envs", none, NULL, 200, "\"GLOBAL\":\"from the sandbox\"");
    request(&live, "POST", "/init", none, "{}", 409, NULL);
}

TEST(other_sandboxes_are_never_assigned)
{
    auto_live live = {0};
    live_start_with(&live, TOKEN);
    request(&live, "POST", "/init", none, "{}", 401, NULL);
    request(&live, "POST", "/init", right, "{\"envVars\":{\"A\":\"b\"}}", 409, NULL);
    request(&live, "GET", "/init", right, NULL, 200, "{\"blank\":false,\"ready\":false}");
}
