/* /init: a blank sandbox gets its user, once; one from an image its randomness, a fork its name. */
#include "base/clock.h"
#include "base/sha256.h"
#include "live.h"
#include "test.h"

#define TOKEN     "0123456789abcdef"
#define HAS_TOKEN "X-Access-Token: " TOKEN
#define CONTROL   "X-Warren-Control: " LIVE_CONTROL
#define NEW       "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define FORK      "bbbbbbbbbbbbbbbbbbbb"

static const char *const right[] = {HAS_TOKEN, CONTROL, NULL};
static const char *const token_only[] = {HAS_TOKEN, NULL};
static const char *const control[] = {CONTROL, NULL};
static const char *const new_control[] = {"X-Warren-Control: " NEW, NULL};
static const char *const short_control[] = {"X-Warren-Control: 0011223344", NULL};
static const char *const empty_control[] = {"X-Warren-Control: ", NULL};
static const char *const user[] = {"X-Access-Token: of-the-user", CONTROL, NULL};
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
    request(&live, "GET", "/init", control, NULL, 401, NULL);
    request(&live, "POST", "/init", control, "{}", 401, NULL);
    request(&live, "GET", "/health", right, NULL, 204, NULL);
    /* Nor is the access token enough for this one. */
    request(&live, "GET", "/init", token_only, NULL, 401, NULL);
    request(&live, "POST", "/init", token_only, "{}", 401, NULL);
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
        "{\"event\":\"reborn\"}",
        "{\"event\":7}",
        "{\"sandboxId\":\"" FORK "\"}",
        "{\"controlToken\":\"\"}",
        "{\"controlToken\":\"" TOKEN "\"}",
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
    request(&live, "POST", "/init", control, "{}", 409, NULL);
    request(&live, "POST", "/init", token_only, "{}", 401, NULL);
    request(&live, "POST", "/init", none, "{}", 401, NULL);
    request(&live, "GET", "/init", control, NULL, 200, "{\"blank\":false,\"ready\":false}");
}

TEST(a_sandbox_without_a_token_and_variables)
{
    auto_live live = {0};
    live_start_blank(&live, TOKEN);
    request(&live, "POST", "/init", right,
            "{\"event\":\"assigned\",\"accessToken\":null,\"controlToken\":\"" NEW "\"}", 204,
            NULL);
    request(&live, "GET", "/envs", none, NULL, 200, "\"GLOBAL\":\"from the sandbox\"");
    request(&live, "POST", "/init", control, "{}", 401, NULL);
    request(&live, "POST", "/init", new_control, "{}", 409, NULL);
}

TEST(other_sandboxes_are_never_assigned)
{
    auto_live live = {0};
    live_start_with(&live, TOKEN);
    request(&live, "POST", "/init", token_only, "{}", 401, NULL);
    request(&live, "POST", "/init", control, "{\"envVars\":{\"A\":\"b\"}}", 409, NULL);
    request(&live, "GET", "/init", control, NULL, 200, "{\"blank\":false,\"ready\":false}");
}

TEST(a_blank_comes_from_no_image)
{
    auto_live live = {0};
    live_start_blank(&live, TOKEN);
    request(&live, "POST", "/init", right, "{\"event\":\"resumed\"}", 409, NULL);
    request(&live, "POST", "/init", right, "{\"event\":\"forked\"}", 409, NULL);
    request(&live, "POST", "/init", right, "{}", 204, NULL);
}

TEST(only_the_control_token_opens_it)
{
    auto_live live = {0};
    live_start(&live);
    request(&live, "POST", "/init", none, "{\"event\":\"resumed\"}", 401, "only the server");
    request(&live, "POST", "/init", new_control, "{\"event\":\"resumed\"}", 401, NULL);
    request(&live, "POST", "/init", short_control, "{\"event\":\"resumed\"}", 401, NULL);
    request(&live, "POST", "/init", empty_control, "{\"event\":\"resumed\"}", 401, NULL);
    request(&live, "GET", "/init", none, NULL, 401, NULL);
    request(&live, "POST", "/init", control, "{\"event\":\"resumed\"}", 204, NULL);
    request(&live, "GET", "/health", none, NULL, 204, NULL);
}

TEST(without_a_control_token_nobody_may)
{
    auto_live live = {0};
    live_start_without_control(&live);
    request(&live, "GET", "/init", none, NULL, 401, NULL);
    request(&live, "GET", "/init", empty_control, NULL, 401, NULL);
    request(&live, "POST", "/init", control, "{\"event\":\"resumed\"}", 401, NULL);
}

TEST(resumed_takes_nothing_of_a_fork)
{
    static const char *const fields[] = {
        "\"sandboxId\":\"" FORK "\"", "\"envVars\":{\"A\":\"b\"}",    "\"accessToken\":\"x\"",
        "\"accessToken\":null",       "\"controlToken\":\"" NEW "\"",
    };
    auto_live live = {0};
    char body[256];

    live_start_with(&live, TOKEN);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        snprintf(body, sizeof(body), "{\"event\":\"resumed\",%s}", fields[i]);
        request(&live, "POST", "/init", control, body, 400, "not with the event");
    }
    request(&live, "POST", "/init", control,
            "{\"event\":\"resumed\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"cpuMillis\":500}", 204,
            NULL);
    request(&live, "GET", "/envs", none, NULL, 401, NULL);
    request(&live, "GET", "/envs", token_only, NULL, 200, "\"E2B_SANDBOX_ID\":\"" LIVE_ID "\"");
}

TEST(what_is_paused_stays_what_it_is)
{
    auto_live live = {0}, blank = {0};
    live_start_with(&live, TOKEN);
    request(&live, "POST", "/init", token_only, "{\"event\":\"pausing\"}", 401, NULL);
    request(&live, "POST", "/init", control, "{\"event\":\"pausing\",\"accessToken\":null}", 400,
            "not with the event");
    for (int i = 0; i < 3; i++)
        request(&live, "POST", "/init", control,
                "{\"event\":\"pausing\",\"timestamp\":\"2026-01-01T00:00:00Z\"}", 204, NULL);
    request(&live, "GET", "/envs", none, NULL, 401, NULL);
    request(&live, "GET", "/envs", token_only, NULL, 200, "\"E2B_SANDBOX_ID\":\"" LIVE_ID "\"");
    live_start_blank(&blank, TOKEN);
    request(&blank, "POST", "/init", right, "{\"event\":\"pausing\"}", 409, NULL);
}

static void expect_file(struct live *live, const char *path, const char *text)
{
    char target[128];
    struct reply reply;

    snprintf(target, sizeof(target), "/files?path=%s", path);
    live_request(live, &reply, "GET", target, none, NULL, 0);
    CHECK_INT(reply.status, 200);
    CHECK_STR(wr_buf_cstr(&reply.body), text);
    reply_done(&reply);
}

static void expect_machine_id(struct live *live, const char *id)
{
    char text[2 * WR_SHA256_LEN + 1];

    wr_sha256_hex(id, strlen(id), text);
    text[32] = '\n';
    text[33] = '\0';
    expect_file(live, "/etc/machine-id", text);
}

/* The agent writes it when it has nothing else to do. */
static void wait_machine_id(struct live *live)
{
    uint64_t end_ms = wr_mono_ms() + LIVE_WAIT_MS;
    bool written = false;

    while (!written) {
        struct reply reply;
        CHECK(wr_mono_ms() < end_ms);
        live_request(live, &reply, "GET", "/files?path=/etc/machine-id", none, NULL, 0);
        written = reply.body.len > 0;
        reply_done(&reply);
    }
}

TEST(a_fork_has_another_name)
{
    auto_live live = {0};
    live_start(&live);
    wait_machine_id(&live);
    expect_machine_id(&live, LIVE_ID);
    request(&live, "POST", "/init", control,
            "{\"event\":\"forked\",\"sandboxId\":\"" FORK "\",\"envVars\":{\"MINE\":\"1\"},"
            "\"controlToken\":\"" NEW "\",\"cpuMillis\":2000}",
            204, NULL);
    expect_file(&live, "/run/e2b/.E2B_SANDBOX_ID", FORK);
    expect_machine_id(&live, FORK);
    /* Its own line, and nothing that only looks like it. */
    expect_file(&live, "/etc/hosts", "127.0.0.1 localhost\n127.0.1.1\t" FORK " x" LIVE_ID "\n");
    live_run(&live, "echo $E2B_SANDBOX_ID $GLOBAL $MINE", 0, FORK " from the sandbox 1\n");
    /* The old token is worth nothing here, and the new one all: forks of forks. */
    request(&live, "POST", "/init", control, "{\"event\":\"forked\"}", 401, NULL);
    request(&live, "POST", "/init", new_control,
            "{\"event\":\"forked\",\"sandboxId\":\"cccccccccccccccccccc\"}", 204, NULL);
    expect_file(&live, "/etc/hosts",
                "127.0.0.1 localhost\n127.0.1.1\tcccccccccccccccccccc x" LIVE_ID "\n");
    live_run(&live, "echo $E2B_SANDBOX_ID $MINE", 0, "cccccccccccccccccccc 1\n");
}

TEST(a_fork_has_other_tokens)
{
    auto_live live = {0};
    live_start_with(&live, TOKEN);
    /* What is not said stays. */
    request(&live, "POST", "/init", control, "{\"event\":\"forked\"}", 204, NULL);
    request(&live, "GET", "/envs", token_only, NULL, 200, "\"E2B_SANDBOX_ID\":\"" LIVE_ID "\"");
    request(&live, "POST", "/init", control,
            "{\"event\":\"forked\",\"accessToken\":\"of-the-user\"}", 204, NULL);
    request(&live, "GET", "/envs", token_only, NULL, 401, NULL);
    request(&live, "GET", "/envs", user, NULL, 200, NULL);
    request(&live, "POST", "/init", control, "{\"event\":\"forked\",\"accessToken\":null}", 204,
            NULL);
    request(&live, "GET", "/envs", none, NULL, 200, NULL);
}

TEST(a_fork_that_is_asked_for_wrongly_stays_what_it_was)
{
    static const char *const fields[] = {
        "\"sandboxId\":\"\"",          "\"sandboxId\":\"../../etc\"",
        "\"sandboxId\":\"" FORK "b\"", "\"controlToken\":\"" NEW "0\"",
        "\"accessToken\":\"\"",        "\"envVars\":{\"A\":1}",
    };
    auto_live live = {0};
    char body[256];

    live_start(&live);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        snprintf(body, sizeof(body), "{\"event\":\"forked\",%s}", fields[i]);
        request(&live, "POST", "/init", control, body, 400, NULL);
    }
    request(&live, "GET", "/envs", none, NULL, 200, "\"E2B_SANDBOX_ID\":\"" LIVE_ID "\"");
    request(&live, "GET", "/init", control, NULL, 200, NULL);
}

static void run_as_root(struct live *live, const char *command)
{
    const struct stream_opts opts = {.user = "root"};
    struct stream s;

    stream_open(&s, live, &opts, start_shell(command));
    stream_wait(&s, stream_closed);
    CHECK_INT(s.exit_code, 0);
    stream_done(&s);
}

TEST(what_is_no_regular_file_is_left_alone)
{
    auto_live live = {0};
    live_start(&live);
    wait_machine_id(&live);
    /* Whatever it is now, only a regular file is written. */
    run_as_root(&live, "rm /etc/machine-id && mkfifo /etc/machine-id && rm /etc/hosts");
    request(&live, "POST", "/init", control, "{\"event\":\"forked\",\"sandboxId\":\"" FORK "\"}",
            204, NULL);
    run_as_root(&live, "test -p /etc/machine-id && ! test -e /etc/hosts");
    /* What is not there is not made. */
    run_as_root(&live, "rm /etc/machine-id");
    request(&live, "POST", "/init", control, "{\"event\":\"forked\",\"sandboxId\":\"" LIVE_ID "\"}",
            204, NULL);
    run_as_root(&live, "! test -e /etc/machine-id");
}
