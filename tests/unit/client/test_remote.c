/* The driver over HTTP (remote*.c), through the public functions, against a server that follows a
 * script. */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/http_script.h"
#include "client/remote.h"
#include "test.h"
#include "warren/code.h"
#include "warren/files.h"
#include "warren/program.h"

#define KEY "e2b_0123456789abcdef0123"
#define ID  "i0123456789abcdefghij"

#define CREATED                                                                               \
    HTTP_BODY("201 Created", "{\"sandboxID\":\"" ID "\",\"envdAccessToken\":\"agent-token\"," \
                             "\"trafficAccessToken\":\"port-token\",\"domain\":null}  ")
#define RUNNING    HTTP_BODY("200 OK", "{\"state\":\"running\"}")
#define PAUSED     HTTP_BODY("200 OK", "{\"state\":\"paused\"}")
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define NOT_FOUND  HTTP_BODY("404 Not Found", "{\"code\":404,\"message\":\"not there\"}")
#define NO_SANDBOX               \
    HTTP_BODY("502 Bad Gateway", \
              "{\"sandboxId\":\"" ID "\",\"message\":\"The sandbox was not found\",\"code\":502}")
#define PORT_CLOSED                                                                             \
    HTTP_BODY("502 Bad Gateway",                                                                \
              "{\"sandboxId\":\"" ID "\",\"message\":\"The sandbox is running but port is not " \
              "open\",\"port\":49999,\"code\":502}")
#define CELL                                                      \
    "HTTP/1.1 200 OK\r\nContent-Length: ?\r\n\r\n"                \
    "{\"type\":\"number_of_executions\",\"execution_count\":3}\n" \
    "{\"type\":\"stdout\",\"text\":\"hi\\n\"}\n{\"type\": \"end_of_execution\"}\n"

#define OPTS(type, ...) (&(const struct type){.struct_size = sizeof(struct type), __VA_ARGS__})

struct scene {
    struct http_script *script;
    struct wr_client *client;
    struct wr_sandbox *sandbox;
    struct wr_error err;
};

static void begin(struct scene *scene, const struct http_step *steps, size_t count)
{
    *scene = (struct scene){.script = http_script_start(steps, count)};
    scene->client =
        wr_client_new(OPTS(wr_client_opts, .backend = WR_BACKEND_E2B, .api_key = KEY,
                           .api_url = scene->script->url, .sandbox_url = scene->script->url,
                           .request_timeout_ms = 20000),
                      &scene->err);
    CHECK(scene->client != NULL);
}

/* The first step must be the creation. */
static void begin_inside(struct scene *scene, const struct http_step *steps, size_t count)
{
    begin(scene, steps, count);
    CHECK_INT(wr_sandbox_create(scene->client, NULL, NULL, &scene->sandbox, &scene->err), 0);
}

static void end(struct scene *scene)
{
    wr_sandbox_free(scene->sandbox);
    wr_client_free(scene->client);
    http_script_end(scene->script);
}

static bool has(const struct scene *scene, size_t request, const char *text)
{
    return strstr(scene->script->requests[request], text) != NULL;
}

TEST(create_sends_what_was_asked_for)
{
    const struct http_step steps[] = {{"POST /sandboxes HTTP/1.1", CREATED, false}};
    const char *const envs[] = {"A=b=c"}, *const metadata[] = {"k=v"}, *const out[] = {"a.test"};
    const char *const volumes[] = {"data:/mnt:ro"};
    struct scene scene;

    begin(&scene, steps, 1);
    CHECK_INT(wr_sandbox_create(scene.client,
                                OPTS(wr_sandbox_opts, .template_name = "mine", .timeout_s = 7,
                                     .envs = envs, .env_count = 1, .metadata = metadata,
                                     .metadata_count = 1, .no_internet = true, .allow_out = out,
                                     .allow_out_count = 1, .volumes = volumes, .volume_count = 1,
                                     .auto_pause = true, .memory_bytes = 1024),
                                NULL, &scene.sandbox, &scene.err),
              0);
    CHECK_STR(wr_sandbox_id(scene.sandbox), ID);
    CHECK(has(&scene, 0, "X-API-KEY: " KEY) || has(&scene, 0, "X-API-Key: " KEY));
    static const char *const parts[] = {
        "\"templateID\":\"mine\"",
        "\"timeout\":7",
        "\"secure\":true",
        "\"autoPause\":true",
        "\"envVars\":{\"A\":\"b=c\"}",
        "\"metadata\":{\"k\":\"v\",\"warren.create\":\"",
        "\"allow_internet_access\":false",
        "\"network\":{\"allowOut\":[\"a.test\"]}",
        "\"volumeMounts\":[{\"name\":\"data\",\"path\":\"/mnt\",\"readOnly\":true}]",
        "\"limits\":{\"memoryBytes\":1024}"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!has(&scene, 0, parts[i]))
            wr_test_fail(__FILE__, __LINE__, "no %s in %s", parts[i], scene.script->requests[0]);
    end(&scene);
}

TEST(create_without_limits_names_none)
{
    const struct http_step steps[] = {{"POST /sandboxes HTTP/1.1", CREATED, false}};
    struct scene scene;

    begin_inside(&scene, steps, 1);
    CHECK(!has(&scene, 0, "\"limits\""));
    CHECK(has(&scene, 0, "\"templateID\":\"code-interpreter-v1\""));
    end(&scene);
}

TEST(errors_of_the_api)
{
    const struct http_step steps[] = {
        {"POST /sandboxes",
         HTTP_BODY("429 Too Many Requests\r\nRetry-After: 3",
                   "{\"code\":429,\"message\":\"too many\"}  "),
         false},
        {"POST /sandboxes", NOT_FOUND, false},
        {"GET /v2/sandboxes?limit=1",
         HTTP_BODY("401 Unauthorized", "{\"code\":401,\"message\":\"Invalid\"} "), false},
    };
    struct scene scene;

    begin(&scene, steps, 3);
    CHECK_INT(wr_sandbox_create(scene.client, NULL, NULL, &scene.sandbox, &scene.err),
              -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(scene.err.retry_after_ms, 3000);
    CHECK_INT(wr_sandbox_create(scene.client, NULL, NULL, &scene.sandbox, &scene.err),
              -WR_E_NOT_FOUND);
    CHECK_INT(wr_client_check(scene.client, NULL, &scene.err), -WR_E_UNAUTHENTICATED);
    CHECK(scene.sandbox == NULL);
    end(&scene);
}

TEST(a_create_whose_answer_is_lost_leaves_nothing)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP/1.1", NULL, false},
        {"GET /v2/sandboxes?limit=100&metadata=warren.create%3D", HTTP_BODY("200 OK", "[]"), false},
        {"GET /v2/sandboxes?limit=100&metadata=warren.create%3D",
         HTTP_BODY("200 OK", "[{\"sandboxID\":\"i00000000000000000000\",\"metadata\":{"
                             "\"warren.create\":\"somebody-elses\"}},{\"sandboxID\":\"i1\"},7,"
                             "{\"sandboxID\":\"" ID "\",\"metadata\":{"
                             "\"warren.create\":\"" HTTP_SCRIPT_MARK "\"}}]  "),
         false},
        {"DELETE /sandboxes/" ID " ", NO_CONTENT, false},
    };
    struct scene scene;

    begin(&scene, steps, 4);
    CHECK_INT(wr_sandbox_create(scene.client, NULL, NULL, &scene.sandbox, &scene.err),
              -WR_E_UNAVAILABLE);
    const char *mark = strstr(scene.script->requests[0], "\"warren.create\":\"");
    const char *asked = strstr(scene.script->requests[1], "warren.create%3D");
    CHECK(mark && asked);
    CHECK(strncmp(mark + strlen("\"warren.create\":\""), asked + strlen("warren.create%3D"), 16) ==
          0);
    end(&scene);
}

/* What a server names becomes paths, hosts and header fields. */
TEST(what_a_server_gives_is_checked)
{
    static const char *const answers[] = {
        "{\"sandboxID\":\"a/../b\"}",
        "{\"sandboxID\":\"\"}",
        "{\"sandboxID\":7}",
        "{\"sandboxID\":\"" ID "\\u0000\"}",
        "{\"sandboxID\":\"" ID "\",\"envdAccessToken\":\"a\\r\\nX-Evil: 1\"}",
        "{\"sandboxID\":\"" ID "\",\"trafficAccessToken\":[]}",
        "{\"sandboxID\":\"" ID "\",\"domain\":\"evil.test/x?\"}",
        "{\"sandboxID\":\"" ID "\",\"domain\":\"user@evil.test\"}",
        "[]",
        "7",
    };

    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        char answer[512];
        snprintf(answer, sizeof answer, "HTTP/1.1 201 Created\r\nContent-Length: ?\r\n\r\n%s",
                 answers[i]);
        const struct http_step steps[] = {
            {"POST /sandboxes HTTP", answer, false},
            {"GET /v2/sandboxes?", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", false},
        };
        struct scene scene;
        begin(&scene, steps, 2);
        CHECK_INT(wr_sandbox_create(scene.client, NULL, NULL, &scene.sandbox, &scene.err),
                  -WR_E_INTERNAL);
        CHECK(scene.sandbox == NULL);
        end(&scene);
    }
}

TEST(metadata_of_another_sandbox_has_its_mark)
{
    const struct http_step steps[] = {{"POST /sandboxes HTTP/1.1", CREATED, false}};
    const char *const metadata[] = {"warren.create=old", "k=v"};
    struct scene scene;

    begin(&scene, steps, 1);
    CHECK_INT(wr_sandbox_create(scene.client,
                                OPTS(wr_sandbox_opts, .metadata = metadata, .metadata_count = 2),
                                NULL, &scene.sandbox, &scene.err),
              0);
    CHECK(has(&scene, 0, "\"metadata\":{\"k\":\"v\",\"warren.create\":\"") &&
          !has(&scene, 0, "old"));
    end(&scene);
}

TEST(answers_that_are_no_success)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"DELETE /sandboxes/" ID " ",
         "HTTP/1.1 301 Moved Permanently\r\nLocation: https://evil.test/\r\n"
         "Content-Length: 0\r\n\r\n",
         false},
        {"POST /sandboxes/" ID "/timeout ",
         HTTP_BODY("500 Oops", "{\"code\":\"ok\",\"message\":\"fine\"} "), false},
        {"GET /sandboxes/" ID " ", HTTP_BODY("200 OK", "[]"), false},
        {"GET /sandboxes/" ID " ", NO_CONTENT, false},
        {"GET /sandboxes/" ID "/metrics ", HTTP_BODY("200 OK", "{}"), false},
        {"POST /process.Process/List ", HTTP_BODY("200 OK", "{\"processes\":{}}"), false},
        {"POST /filesystem.Filesystem/ListDir ", NO_CONTENT, false},
        {"POST /filesystem.Filesystem/Stat ", HTTP_BODY("200 OK", "{\"entry\":1}"), false},
        {"POST /filesystem.Filesystem/Remove ", HTTP_BODY("200 OK", "<html>"), false},
    };
    struct wr_value *value = NULL;
    struct scene scene;

    begin_inside(&scene, steps, 10);
    CHECK_INT(wr_sandbox_kill(scene.sandbox, NULL, &scene.err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(wr_sandbox_set_timeout(scene.sandbox, 1, NULL, &scene.err), -WR_E_INTERNAL);
    CHECK_INT(wr_sandbox_info(scene.sandbox, NULL, &value, &scene.err), -WR_E_INTERNAL);
    CHECK_INT(wr_sandbox_info(scene.sandbox, NULL, &value, &scene.err), -WR_E_INTERNAL);
    CHECK_INT(wr_sandbox_metrics(scene.sandbox, NULL, &value, &scene.err), -WR_E_INTERNAL);
    CHECK_INT(wr_program_list(scene.sandbox, NULL, &value, &scene.err), -WR_E_INTERNAL);
    CHECK_INT(wr_files_list(scene.sandbox, "x", NULL, 1, NULL, &value, &scene.err), -WR_E_INTERNAL);
    CHECK_INT(wr_files_stat(scene.sandbox, "x", NULL, NULL, &value, &scene.err), -WR_E_INTERNAL);
    CHECK_INT(wr_files_remove(scene.sandbox, "x", NULL, NULL, &scene.err), -WR_E_INTERNAL);
    CHECK(value == NULL);
    end(&scene);
}

TEST(lists_end)
{
    char token[1200] = "", answer[1400];
    struct wr_value *list = NULL;
    struct scene scene;

    /* A page whose name does not fit is not the last one. */
    memset(token, 'x', sizeof token - 1);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 200 OK\r\nX-Next-Token: %s\r\nContent-Length: ?\r\n\r\n[]", token);
    const struct http_step steps[] = {{"GET /v2/sandboxes?", answer, false},
                                      {"GET /v2/sandboxes?", HTTP_BODY("200 OK", "{}"), false}};
    begin(&scene, steps, 2);
    CHECK_INT(wr_sandbox_list(scene.client, NULL, 0, NULL, &list, &scene.err), -WR_E_INTERNAL);
    CHECK_INT(wr_sandbox_list(scene.client, NULL, 0, NULL, &list, &scene.err), -WR_E_INTERNAL);
    CHECK(list == NULL);
    end(&scene);
}

TEST(lists_have_all_pages)
{
    const struct http_step steps[] = {
        {"GET /v2/sandboxes?limit=100&metadata=a%252520b%3Dc%252526d HTTP",
         HTTP_BODY("200 OK\r\nX-Next-Token: to/ken+", "[{\"sandboxID\":\"one\"}]"), false},
        {"GET /v2/sandboxes?limit=100&metadata=a%252520b%3Dc%252526d&nextToken=to/ken%2B HTTP",
         HTTP_BODY("200 OK", "[{\"sandboxID\":\"two\"}]"), false},
    };
    const char *const metadata[] = {"a b=c&d"};
    struct wr_value *list = NULL;
    struct scene scene;

    begin(&scene, steps, 2);
    CHECK_INT(wr_sandbox_list(scene.client, metadata, 1, NULL, &list, &scene.err), 0);
    CHECK_INT(wr_value_count(list), 2);
    CHECK_STR(wr_value_string(wr_value_at(list, 1), "sandboxID"), "two");
    wr_value_free(list);
    end(&scene);
}

TEST(calls_on_one_sandbox)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"POST /sandboxes/" ID "/timeout HTTP", NO_CONTENT, false},
        {"GET /sandboxes/" ID " HTTP",
         HTTP_BODY("200 OK", "{\"state\":\"paused\",\"envdAccessToken\":\"secret\"}"), false},
        {"GET /sandboxes/" ID "/metrics HTTP", HTTP_BODY("200 OK", "[]"), false},
        {"DELETE /sandboxes/" ID " HTTP", NO_CONTENT, false},
        {"DELETE /sandboxes/" ID " HTTP", NOT_FOUND, false},
    };
    struct wr_value *info = NULL, *metrics = NULL;
    struct scene scene;

    begin_inside(&scene, steps, 6);
    CHECK_INT(wr_sandbox_set_timeout(scene.sandbox, 99, NULL, &scene.err), 0);
    CHECK(has(&scene, 1, "{\"timeout\":99}"));
    CHECK_INT(wr_sandbox_info(scene.sandbox, NULL, &info, &scene.err), 0);
    CHECK_STR(wr_value_string(info, "state"), "paused");
    CHECK(wr_value_get(info, "envdAccessToken") == NULL);
    CHECK_INT(wr_sandbox_metrics(scene.sandbox, NULL, &metrics, &scene.err), 0);
    CHECK_INT(wr_sandbox_kill(scene.sandbox, NULL, &scene.err), 0);
    CHECK_INT(wr_sandbox_kill(scene.sandbox, NULL, &scene.err), 0);
    CHECK_INT(scene.script->connections, 1);
    wr_value_free(info);
    wr_value_free(metrics);
    end(&scene);
}

static int run(struct scene *scene, struct wr_value **ret)
{
    return wr_code_run(scene->sandbox, OPTS(wr_code_opts, .code = "print('hi')"), NULL, ret,
                       &scene->err);
}

/* A number of ms that does not fit a sum is no time that is over. */
TEST(times_without_end)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"POST /execute HTTP", CELL, false},
        {"POST /execute HTTP", HTTP_BODY("504 Gateway Timeout", "{\"message\":\"slow\"}"), false},
    };
    const struct wr_wait wait = {.timeout_ms = UINT64_MAX};
    struct wr_value *result = NULL;
    struct scene scene;

    begin_inside(&scene, steps, 3);
    CHECK_INT(wr_code_run(scene.sandbox, OPTS(wr_code_opts, .code = "1", .timeout_ms = UINT64_MAX),
                          &wait, &result, &scene.err),
              0);
    wr_value_free(result);
    /* What a gateway has said is not what this side's clock says. */
    CHECK_INT(run(&scene, &result), -WR_E_DEADLINE_EXCEEDED);
    CHECK_STR(scene.err.msg, "slow");
    end(&scene);
}

TEST(code_waits_for_an_interpreter_that_is_starting)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},       {"POST /execute HTTP", PORT_CLOSED, false},
        {"GET /sandboxes/" ID " HTTP", RUNNING, false}, {"POST /execute HTTP", PORT_CLOSED, false},
        {"GET /sandboxes/" ID " HTTP", RUNNING, false}, {"POST /execute HTTP", CELL, false},
    };
    struct wr_value *result = NULL;
    struct scene scene;

    begin_inside(&scene, steps, 6);
    CHECK_INT(run(&scene, &result), 0);
    CHECK_STR(wr_value_string(result, "stdout"), "hi\n");
    CHECK_INT(wr_value_int(result, "execution_count", 0), 3);
    static const char *const fields[] = {"E2b-Sandbox-Id: " ID, "E2b-Sandbox-Port: 49999",
                                         "X-Access-Token: agent-token",
                                         "E2B-Traffic-Access-Token: port-token"};
    for (size_t i = 0; i < 4; i++)
        if (!has(&scene, 1, fields[i]))
            wr_test_fail(__FILE__, __LINE__, "no %s in %s", fields[i], scene.script->requests[1]);
    CHECK(!has(&scene, 1, KEY)); /* the key is the API's alone */
    wr_value_free(result);
    end(&scene);
}

TEST(code_of_a_sandbox_that_is_gone_or_paused)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"POST /execute HTTP", NO_SANDBOX, false},
        {"GET /sandboxes/" ID " HTTP", NOT_FOUND, false},
        {"POST /execute HTTP", NO_SANDBOX, false},
        {"GET /sandboxes/" ID " HTTP", PAUSED, false},
        {"POST /execute HTTP", PORT_CLOSED, false},
        {"GET /sandboxes/" ID " HTTP", NOT_FOUND, false},
        {"GET /sandboxes/" ID " HTTP", NOT_FOUND, false},
    };
    struct wr_value *result = NULL;
    struct scene scene;

    begin_inside(&scene, steps, 8);
    CHECK_INT(run(&scene, &result), -WR_E_ABORTED);
    CHECK(strstr(scene.err.msg, "sandbox " ID " ended while the code ran") != NULL);
    CHECK_INT(run(&scene, &result), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(run(&scene, &result), -WR_E_ABORTED);
    end(&scene);
}

/* What runs in the sandbox chooses what results are made of: little text can be much memory. */
TEST(results_that_would_fill_the_memory)
{
    static const size_t numbers = 2200000;
    static const char before[] = "{\"type\":\"result\",\"data\":[", after[] = "0]}\n";
    size_t line = strlen(before) + 2 * numbers + strlen(after), size = 128 + 2 * line;
    char *answer = malloc(size), *at = answer;

    CHECK(answer);
    at += snprintf(at, size, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
                   2 * line);
    for (int i = 0; i < 2; i++) {
        at = mempcpy(at, before, strlen(before));
        for (size_t k = 0; k < numbers; k++)
            at = mempcpy(at, "0,", 2);
        at = mempcpy(at, after, strlen(after));
    }
    *at = '\0';
    const struct http_step steps[] = {{"POST /sandboxes HTTP", CREATED, false},
                                      {"POST /execute HTTP", answer, false}};
    struct wr_value *result = NULL;
    struct scene scene;

    begin_inside(&scene, steps, 2);
    CHECK_INT(run(&scene, &result), -WR_E_OUT_OF_RANGE);
    CHECK(strstr(scene.err.msg, "displays too much") && result == NULL);
    end(&scene);
    free(answer);
}

TEST(code_whose_stream_is_cut)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"POST /execute HTTP",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"typ\r\n", true},
        {"GET /sandboxes/" ID " HTTP", RUNNING, false},
        {"POST /execute HTTP",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"typ\r\n", true},
        {"GET /sandboxes/" ID " HTTP", NOT_FOUND, false},
    };
    struct wr_value *result = NULL;
    struct scene scene;

    begin_inside(&scene, steps, 5);
    CHECK_INT(run(&scene, &result), -WR_E_UNAVAILABLE);
    CHECK_INT(run(&scene, &result), -WR_E_ABORTED);
    CHECK(result == NULL);
    end(&scene);
}

TEST(a_connection_that_was_closed_meanwhile_is_no_failure)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, true},
        {"POST /execute HTTP", CELL, false},
    };
    struct wr_value *result = NULL;
    struct scene scene;

    begin_inside(&scene, steps, 2);
    (void)usleep(50000); /* until the close has arrived */
    CHECK_INT(run(&scene, &result), 0);
    CHECK_INT(scene.script->connections, 2);
    wr_value_free(result);
    end(&scene);
}

TEST(a_forked_child_has_connections_of_its_own)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"POST /sandboxes/" ID "/timeout HTTP", NO_CONTENT, false},
        {"GET /sandboxes/" ID "/metrics HTTP", HTTP_BODY("200 OK", "[]"), false},
    };
    struct wr_value *metrics = NULL;
    struct scene scene;
    int status = 0;

    begin_inside(&scene, steps, 3);
    pid_t pid = fork();
    if (pid == 0) {
        int r = wr_sandbox_set_timeout(scene.sandbox, 1, NULL, &scene.err);
        wr_sandbox_free(scene.sandbox);
        wr_client_free(scene.client);
        _exit(r == 0 ? 0 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK_INT(wr_sandbox_metrics(scene.sandbox, NULL, &metrics, &scene.err), 0);
    CHECK_INT(scene.script->connections, 2); /* the first one, which the child has left alone */
    wr_value_free(metrics);
    end(&scene);
}

/* Another thread may have been taking a connection when the process forked. */
TEST(a_forked_child_waits_for_no_lock_of_its_parents)
{
    struct wr_client_opts opts = {
        .backend = WR_BACKEND_E2B, .api_key = KEY, .api_url = "http://127.0.0.1:1"};
    const struct wr_call call = {.wait.timeout_ms = 20000};
    struct wr_error err = {0};
    struct wr_driver driver;
    int status = 0;

    CHECK_INT(wr_remote_new(&opts, &driver, &err), 0);
    struct wr_remote *remote = driver.self;
    atomic_store(&remote->pool.lock, (int)getpid());
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        int r = driver.ops->check(driver.self, &call, &err);
        driver.ops->free(driver.self);
        _exit(r == -WR_E_UNAVAILABLE ? 0 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
    atomic_store(&remote->pool.lock, 0);
    driver.ops->free(driver.self);
}

TEST(a_refused_create_is_not_looked_for)
{
    struct wr_error err = {0};
    struct wr_sandbox *sandbox = NULL;
    struct wr_client *client = wr_client_new(OPTS(wr_client_opts, .backend = WR_BACKEND_E2B,
                                                  .api_key = KEY, .api_url = "http://127.0.0.1:1"),
                                             &err);

    CHECK_INT(wr_sandbox_create(client, NULL, NULL, &sandbox, &err), -WR_E_UNAVAILABLE);
    CHECK_INT(err.os_errno, ECONNREFUSED);
    wr_client_free(client);
}

TEST(files_go_in_one_request)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"POST /files?username=root HTTP", HTTP_BODY("200 OK", "[]"), false},
        {"POST /files?path=odd%22%0Aname HTTP", HTTP_BODY("200 OK", "[]"), false},
        {"POST /files?path=x HTTP",
         HTTP_BODY("507 Insufficient Storage", "{\"code\":507,\"message\":\"disk full\"} "), false},
    };
    const struct wr_file files[] = {{"a/one", "1\r\n", 3}, {"quo\"te\\", NULL, 0}};
    const struct wr_file bad[] = {{"new\nline", "x", 1}, {"b", "y", 1}};
    struct scene scene;

    begin_inside(&scene, steps, 4);
    CHECK_INT(wr_files_write_all(scene.sandbox, files, 2, "root", NULL, &scene.err), 0);
    CHECK(has(&scene, 1,
              "Content-Disposition: form-data; name=\"file\"; filename=\"a/one\"\r\n"
              "Content-Type: application/octet-stream\r\n\r\n1\r\n\r\n--"));
    CHECK(has(&scene, 1,
              "filename=\"quo\\\"te\\\\\"\r\n"
              "Content-Type: application/octet-stream\r\n\r\n\r\n--"));
    CHECK(has(&scene, 1, "X-Access-Token: agent-token"));
    CHECK_INT(wr_files_write(scene.sandbox, "odd\"\nname", NULL, "z", 1, NULL, &scene.err), 0);
    CHECK_INT(wr_files_write_all(scene.sandbox, bad, 2, NULL, NULL, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_files_write(scene.sandbox, "x", NULL, "z", 1, NULL, &scene.err),
              -WR_E_RESOURCE_EXHAUSTED);
    end(&scene);
}

TEST(a_download_has_a_bound_when_it_is_given_one)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: ?\r\n\r\n";
    const size_t len = strlen(head) + (65 << 20);
    char *answer = malloc(len + 1);
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    CHECK(answer && fd >= 0);
    memset(answer, 'x', len);
    memcpy(answer, head, strlen(head));
    answer[len] = '\0';
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"GET /files?path=big HTTP", answer, false},
        {"GET /files?path=small HTTP", HTTP_BODY("200 OK", "xyz"), false}};
    struct scene scene;

    begin_inside(&scene, steps, 3);
    CHECK_INT(wr_files_download(scene.sandbox, "big", NULL, fd, 0, NULL, &scene.err), 0);
    CHECK_INT(wr_files_download(scene.sandbox, "small", NULL, fd, 2, NULL, &scene.err),
              -WR_E_RESOURCE_EXHAUSTED);
    end(&scene);
    free(answer);
    close(fd);
}

TEST(a_sandbox_without_a_known_host)
{
    const struct http_step steps[] = {{"POST /sandboxes HTTP", CREATED, false}};
    struct scene scene = {.script = http_script_start(steps, 1)};
    struct wr_value *result = NULL;

    unsetenv("E2B_DOMAIN");
    unsetenv("E2B_SANDBOX_URL");
    scene.client = wr_client_new(OPTS(wr_client_opts, .backend = WR_BACKEND_E2B, .api_key = KEY,
                                      .api_url = scene.script->url),
                                 &scene.err);
    CHECK_INT(wr_sandbox_create(scene.client, NULL, NULL, &scene.sandbox, &scene.err), 0);
    CHECK_INT(run(&scene, &result), -WR_E_FAILED_PRECONDITION);
    char *host = NULL;
    CHECK_INT(wr_sandbox_host(scene.sandbox, 80, &host, &scene.err), -WR_E_FAILED_PRECONDITION);
    end(&scene);
}

TEST(the_environment_chooses)
{
    struct wr_error err = {0};

    unsetenv("WARREN_SOCKET");
    unsetenv("E2B_API_KEY");
    unsetenv("E2B_API_URL");
    unsetenv("E2B_DOMAIN");
    struct wr_client *client = wr_client_new(NULL, &err);
    CHECK_INT(wr_client_backend(client), WR_BACKEND_PRIVATE);
    CHECK_STR(wr_client_name(client), "/run/warren/warren.sock");
    wr_client_free(client);
    setenv("E2B_API_KEY", KEY, 1);
    client = wr_client_new(NULL, &err);
    CHECK_INT(wr_client_backend(client), WR_BACKEND_E2B);
    CHECK_STR(wr_client_name(client), "https://api.e2b.app");
    wr_client_free(client);
    setenv("WARREN_SOCKET", "/tmp/its.sock", 1);
    client = wr_client_new(NULL, &err);
    CHECK_INT(wr_client_backend(client), WR_BACKEND_SOCKET);
    CHECK_STR(wr_client_name(client), "/tmp/its.sock");
    wr_client_free(client);
    setenv("E2B_API_KEY", "", 1);
    CHECK(wr_client_new(OPTS(wr_client_opts, .backend = WR_BACKEND_E2B), &err) == NULL);
    CHECK_INT(err.code, WR_E_UNAUTHENTICATED);
    CHECK(wr_client_new(OPTS(wr_client_opts, .backend = 9), &err) == NULL);
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
}
