/* How long a sandbox lives: timeout, refreshes, connect. */
#include <poll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/rfc3339.h"
#include "base/str.h"
#include "server_fixture.h"
#include "test.h"

/* Milliseconds from now until the sandbox's end. */
static int64_t left_ms(struct fixture *f, const char *id)
{
    char target[64];
    json_t *one = NULL;
    uint64_t end_us = 0;
    snprintf(target, sizeof target, "/sandboxes/%s", id);
    CHECK_INT(api(f, 0, "GET", target, NULL, &one), 200);
    CHECK_INT(wr_parse_rfc3339(text_of(one, "endAt"), &end_us), 0);
    json_decref(one);
    return (int64_t)(end_us / 1000) - (int64_t)wr_wall_ms();
}

static void about(struct fixture *f, const char *id, int seconds)
{
    int64_t left = left_ms(f, id);
    /* Room for a slow host, and far less than the differences between the steps below. */
    if (left > seconds * 1000 || left < seconds * 1000 - 30000)
        wr_test_fail(__FILE__, __LINE__, "%lld ms left, not %d s", (long long)left, seconds);
}

static const char *target_of(const char *prefix, const char *id, const char *what,
                             char out[static 96])
{
    snprintf(out, 96, "%s/sandboxes/%s/%s", prefix, id, what);
    return out;
}

TEST(trap_10_timeout_may_shorten_and_connect_never_does)
{
    struct fixture f = start_with(&(struct start_opts){.api = true, .domain = "d.test"});
    char id[21], timeout[96], connect[96], connect_v2[96];
    json_t *made = created(&f, 0, "/v2/sandboxes", "{\"templateID\":\"base\",\"timeout\":600}", id);
    json_t *json = NULL;
    target_of("", id, "timeout", timeout);
    target_of("", id, "connect", connect);
    target_of("/v2", id, "connect", connect_v2);

    about(&f, id, 600);
    CHECK_INT(api(&f, 0, "POST", timeout, "{\"timeout\":200}", NULL), 204);
    about(&f, id, 200);
    CHECK_INT(api(&f, 0, "POST", connect, "{\"timeout\":100}", &json), 200);
    CHECK(json_equal(json, made));
    json_decref(json);
    about(&f, id, 200);
    CHECK_INT(api(&f, 0, "POST", connect, "{\"timeout\":400}", NULL), 200);
    about(&f, id, 400);
    CHECK_INT(api(&f, 0, "POST", connect_v2, "{}", &json), 200);
    CHECK(json_equal(json, made));
    json_decref(json);
    about(&f, id, 400);
    CHECK_INT(api(&f, 0, "POST", timeout, "{\"timeout\":100}", NULL), 204);
    CHECK_INT(api(&f, 0, "POST", connect_v2, NULL, NULL), 200);
    about(&f, id, 300);
    CHECK_INT(api(&f, 0, "POST", connect_v2, "{\"timeout\":700,\"memory\":false}", NULL), 200);
    about(&f, id, 700);
    json_decref(made);
    stop(&f);
}

TEST(refreshes_only_extend)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], refresh[96], timeout[96];
    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\",\"timeout\":100}", id));
    target_of("", id, "refreshes", refresh);
    target_of("", id, "timeout", timeout);

    CHECK_INT(api(&f, 0, "POST", refresh, NULL, NULL), 204);
    CHECK_INT(api(&f, 0, "POST", refresh, "{\"duration\":0}", NULL), 204);
    about(&f, id, 100);
    CHECK_INT(api(&f, 0, "POST", refresh, "{\"duration\":3600}", NULL), 204);
    about(&f, id, 3600);
    refused(&f, 0, "POST", refresh, "{\"duration\":3601}", 400, "validation error");
    refused(&f, 0, "POST", refresh, "{\"duration\":-1}", 400, "validation error");
    /* 15 s at least. */
    CHECK_INT(api(&f, 0, "POST", timeout, "{\"timeout\":2}", NULL), 204);
    CHECK_INT(api(&f, 0, "POST", refresh, "{\"duration\":1}", NULL), 204);
    CHECK(left_ms(&f, id) > 2000);
    stop(&f);
}

TEST(zero_is_now)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], timeout[96];
    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    target_of("", id, "timeout", timeout);
    CHECK_INT(api(&f, 0, "POST", timeout, "{\"timeout\":0}", NULL), 204);
    CHECK_INT(count(&f), 0);
    refused(&f, 0, "POST", timeout, "{\"timeout\":0}", 404, "doesn't exist");
    stop(&f);
}

TEST(bad_requests)
{
    struct fixture f = start_with(&(struct start_opts){.api = true, .timeout_max_s = 7200});
    static const char *const unknown[] = {"/sandboxes/aaaaaaaaaaaaaaaaaaaa/timeout",
                                          "/sandboxes/aaaaaaaaaaaaaaaaaaaa/connect",
                                          "/v2/sandboxes/aaaaaaaaaaaaaaaaaaaa/connect"};
    char id[21], target[96];

    for (size_t i = 0; i < WR_ARRAY_SIZE(unknown); i++) {
        refused(&f, 0, "POST", unknown[i], "{\"timeout\":7200}", 404, "doesn't exist");
        /* Whoever it is about. */
        refused(&f, 0, "POST", unknown[i], "{\"timeout\":7201}", 400,
                "Timeout cannot be greater than 2 hours");
        refused(&f, 0, "POST", unknown[i], "{\"timeout\":-1}", 400, "Timeout must be");
        refused(&f, 0, "POST", unknown[i], "{\"timeout\":1.5}", 400, "validation error");
        refused(&f, 0, "POST", unknown[i], "{\"timeout\":1,\"frob\":1}", 400, "frob");
        refused(&f, 0, "POST", unknown[i], "{", 400, "validation error");
    }
    refused(&f, 0, "POST", unknown[0], NULL, 400, "validation error");
    refused(&f, 0, "POST", unknown[1], "{}", 400, "timeout");
    refused(&f, 0, "POST", unknown[2], "{}", 404, "doesn't exist");
    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    target_of("", id, "timeout", target);
    refused(&f, 0, "POST", target, "{\"timeout\":7201}", 400, "2 hours");
    stop(&f);
}

TEST(a_sandbox_that_is_being_killed_is_gone_for_clients)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], target[96], request[160];
    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"undying\"}", id));
    snprintf(request, sizeof request, "DELETE /sandboxes/%s HTTP/1.1\r\nHost: x\r\n\r\n", id);
    int fd = connect_raw(&f);
    CHECK_INT(wr_write_all(fd, request, strlen(request)), 0);
    for (int i = 0; i < 3000 && count(&f) > 0; i++)
        (void)poll(NULL, 0, 10);
    CHECK_INT(count(&f), 0);
    snprintf(target, sizeof target, "/sandboxes/%s", id);
    refused(&f, 0, "GET", target, NULL, 404, "doesn't exist");
    refused(&f, 0, "DELETE", target, NULL, 404, "doesn't exist");
    refused(&f, 0, "POST", target_of("", id, "timeout", target), "{\"timeout\":5}", 404, "exist");
    refused(&f, 0, "POST", target_of("", id, "connect", target), "{\"timeout\":5}", 409, "killed");
    close(fd);
    stop(&f);
}

/* The deadline is in the store: the next server knows it. */
TEST(deadlines_are_recorded)
{
    struct fixture f = start_with(
        &(struct start_opts){.preset = 1, .settings = "{}", .lifetime_ms = 1000, .api = true});
    CHECK_INT(
        api(&f, 0, "POST", "/sandboxes/aaaaaaaaaaaaaaaaaaaa/timeout", "{\"timeout\":500}", NULL),
        204);
    about(&f, "aaaaaaaaaaaaaaaaaaaa", 500);
    stop(&f);
}

/* Whoever reads a log looks through all of it, so one sandbox cannot have any number of lines. */
TEST(recorded_changes_are_bounded)
{
    enum { MORE = 520 };
    static const char timeout[] = "/sandboxes/aaaaaaaaaaaaaaaaaaaa/timeout";
    struct fixture f = start_with(
        &(struct start_opts){.preset = 1, .settings = "{}", .lifetime_ms = 60000, .api = true});
    json_t *log = NULL;
    for (int i = 0; i < MORE; i++)
        CHECK_INT(api(&f, -1, "POST", timeout, "{\"timeout\":500}", NULL), 204);
    CHECK_INT(api(&f, -1, "POST", timeout, "{\"timeout\":900}", NULL), 204);
    about(&f, "aaaaaaaaaaaaaaaaaaaa", 900);
    CHECK_INT(api(&f, 0, "GET", "/v2/sandboxes/aaaaaaaaaaaaaaaaaaaa/logs", NULL, &log), 200);
    CHECK_INT(json_array_size(json_object_get(log, "logs")), 512);
    json_decref(log);
    stop(&f);
}
