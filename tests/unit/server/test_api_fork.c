/* Copies with memory: the server, a fake engine, and one agent for all of them, which writes down
 * what it is told. */
#include <arpa/inet.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "engine/action.h"
#include "server_fixture.h"
#include "test.h"

#define MAX_TOLD 16

/* Shared with the agent. */
struct script {
    int status;        /* what it answers with */
    int refuse_from;   /* from that request on with 500; 0: never */
    unsigned wait_us;  /* before it answers */
    volatile int told; /* requests that came */
    char requests[MAX_TOLD][2048];
};
static struct script *script;

/* One request per connection is enough: answers close it. */
static void serve(int fd)
{
    char text[128];

    for (;;) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        char *request = script->requests[script->told % MAX_TOLD];
        ssize_t n = client < 0 ? -1 : read(client, request, sizeof script->requests[0] - 1);
        if (n < 0)
            _exit(1);
        request[n] = '\0';
        script->told++;
        usleep(script->wait_us);
        bool refused = script->refuse_from && script->told >= script->refuse_from;
        if (!wr_strformat(text, sizeof text,
                          "HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                          refused ? 500 : script->status) ||
            wr_write_all(client, text, strlen(text)) < 0)
            _exit(1);
        close(client);
    }
}

static pid_t start_agent(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(WR_AGENT_PORT),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    script = mmap(NULL, sizeof *script, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(script != MAP_FAILED);
    script->status = 200;
    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 16) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(fd);
    }
    close(fd);
    return pid;
}

static void stop_agent(pid_t pid)
{
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK_INT(exit_of(pid), 1000 + SIGKILL);
    CHECK(munmap(script, sizeof *script) == 0);
}

static const char *at(const char *id, const char *rest)
{
    static char target[128];

    CHECK(wr_strformat(target, sizeof target, "/sandboxes/%s%s", id, rest));
    return target;
}

/* The value of a header field of what the agent was told. */
static void field_of(const char *request, const char *name, char out[static 128])
{
    const char *field = strstr(request, name);

    CHECK(field);
    CHECK(wr_strformat(out, 128, "%.*s", (int)strcspn(field + strlen(name), "\r"),
                       field + strlen(name)));
}

static json_t *body_of(const char *request)
{
    const char *body = strstr(request, "\r\n\r\n");

    CHECK(body);
    json_t *json = json_loads(body + 4, 0, NULL);
    CHECK(json);
    return json;
}

static void make(struct fixture *f, char id[static 21])
{
    json_decref(created(f, 0, "/sandboxes",
                        "{\"templateID\":\"base\",\"timeout\":60,\"secure\":true,\"metadata\":{"
                        "\"owner\":\"me\"},\"envVars\":{\"COLOR\":\"red\",\"SIZE\":\"1\"}}",
                        id));
}

static size_t snapshots_of(struct fixture *f)
{
    json_t *list = NULL;

    CHECK_INT(api(f, 0, "GET", "/snapshots", NULL, &list), 200);
    size_t size = json_array_size(list);
    json_decref(list);
    return size;
}

TEST(copies_learn_who_they_are)
{
    own_network();
    pid_t agent = start_agent();
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], control[128], other[128];
    json_t *list = NULL, *one = NULL, *detail = NULL, *original = NULL;
    size_t i;

    script->status = 204;
    make(&f, id);
    CHECK_INT(api(&f, 0, "GET", at(id, ""), NULL, &original), 200);
    CHECK_INT(api(&f, 0, "POST", at(id, "/fork"), "{\"count\":6,\"timeout\":50}", &list), 201);
    CHECK_INT(json_array_size(list), 6);
    CHECK_INT(script->told, 6);
    field_of(script->requests[0], "X-Warren-Control: ", control);
    CHECK_INT(strlen(control), 64);
    json_array_foreach(list, i, one) {
        const json_t *sandbox = json_object_get(one, "sandbox");
        json_t *told = NULL;
        CHECK(sandbox);
        for (int k = 0; k < 6 && !told; k++) {
            told = body_of(script->requests[k]);
            field_of(script->requests[k], "X-Warren-Control: ", other);
            CHECK_STR(other, control);
            if (!wr_streq(text_of(told, "sandboxId"), text_of(sandbox, "sandboxID"))) {
                json_decref(told);
                told = NULL;
            }
        }
        CHECK(told);
        CHECK_STR(text_of(told, "event"), "forked");
        CHECK_STR(text_of(told, "accessToken"), text_of(sandbox, "envdAccessToken"));
        CHECK(!wr_streq(text_of(told, "accessToken"), text_of(original, "envdAccessToken")));
        CHECK_INT(strlen(text_of(told, "controlToken")), 64);
        CHECK(!wr_streq(text_of(told, "controlToken"), control));
        CHECK_STR(text_of(json_object_get(told, "envVars"), "COLOR"), "red");
        json_decref(told);
        CHECK_STR(text_of(sandbox, "templateID"), text_of(original, "templateID"));
        CHECK_INT(api(&f, 0, "GET", at(text_of(sandbox, "sandboxID"), ""), NULL, &detail), 200);
        CHECK_STR(text_of(json_object_get(detail, "metadata"), "owner"), "me");
        CHECK(json_equal(json_object_get(detail, "lifecycle"),
                         json_object_get(original, "lifecycle")));
        json_decref(detail);
    }
    json_decref(list);
    json_decref(original);
    CHECK_INT(snapshots_of(&f), 0);
    CHECK_INT(count(&f), 7);
    stop(&f);
    stop_agent(agent);
}

TEST(a_copy_that_does_not_learn_it_is_none)
{
    own_network();
    pid_t agent = start_agent();
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21];
    json_t *list = NULL, *one = NULL;
    size_t i, failed = 0;

    script->status = 204;
    script->refuse_from = 3;
    make(&f, id);
    CHECK_INT(api(&f, 0, "POST", at(id, "/fork"), "{\"count\":5}", &list), 201);
    json_array_foreach(list, i, one) {
        const json_t *error = json_object_get(one, "error");
        failed += error != NULL;
        CHECK(!error || json_integer_value(json_object_get(error, "code")) == 500);
        CHECK(!error != !json_object_get(one, "sandbox"));
    }
    json_decref(list);
    CHECK_INT(failed, 3);
    CHECK_INT(count(&f), 3);
    stop(&f);
    stop_agent(agent);
}

TEST(a_team_may_have_so_many)
{
    own_network();
    pid_t agent = start_agent();
    struct fixture f =
        start_with(&(struct start_opts){.api = true, .limits = {.max_sandboxes = 3}});
    char id[21];
    json_t *list = NULL, *one = NULL;
    size_t i, refused_count = 0;

    script->status = 204;
    make(&f, id);
    CHECK_INT(api(&f, 0, "POST", at(id, "/fork"), "{\"count\":4}", &list), 201);
    json_array_foreach(list, i, one)
        refused_count +=
            json_integer_value(json_object_get(json_object_get(one, "error"), "code")) == 429;
    json_decref(list);
    CHECK_INT(refused_count, 2);
    CHECK_INT(count(&f), 3);
    stop(&f);
    stop_agent(agent);
}

TEST(a_sandbox_from_a_snapshot_learns_it_too)
{
    own_network();
    pid_t agent = start_agent();
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], copy[21], body[300];
    json_t *json = NULL;

    script->status = 204;
    make(&f, id);
    CHECK_INT(api(&f, 0, "POST", at(id, "/snapshots"), "{}", &json), 201);
    CHECK(json_is_true(json_object_get(json, "memory")));
    CHECK(wr_strformat(body, sizeof body,
                       "{\"templateID\":\"%s\",\"timeout\":60,\"envVars\":{\"SIZE\":\"2\"}}",
                       text_of(json, "snapshotID")));
    json_decref(json);
    json = created(&f, 0, "/sandboxes", body, copy);
    json_t *told = body_of(script->requests[0]);
    CHECK_STR(text_of(told, "sandboxId"), copy);
    CHECK_STR(text_of(told, "accessToken"), text_of(json, "envdAccessToken"));
    CHECK_STR(text_of(json_object_get(told, "envVars"), "SIZE"), "2");
    CHECK_STR(text_of(json_object_get(told, "envVars"), "COLOR"), "red");
    json_decref(told);
    json_decref(json);

    script->refuse_from = 1;
    refused(&f, 0, "POST", "/sandboxes", body, 500, "the agent answered with status 500");
    CHECK_INT(count(&f), 2);
    stop(&f);
    stop_agent(agent);
}

TEST(copies_for_nobody_end)
{
    own_network();
    pid_t agent = start_agent();
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], request[300];

    script->status = 204;
    script->wait_us = 100000;
    make(&f, id);
    CHECK(wr_strformat(request, sizeof request,
                       "POST /sandboxes/%s/fork HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n"
                       "{\"count\":3}",
                       id));
    int fd = connect_raw(&f);
    CHECK_INT(wr_write_all(fd, request, strlen(request)), 0);
    while (script->told == 0)
        usleep(5000);
    close(fd);
    while (script->told < 3)
        usleep(5000);
    for (int i = 0; count(&f) > 1; i++) {
        CHECK(i < 500);
        usleep(10000);
    }
    stop(&f);
    stop_agent(agent);
}

TEST(nobody_removes_what_is_in_use)
{
    own_network();
    pid_t agent = start_agent();
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], request[512], body[200], target[64], answer[4096];
    json_t *json = NULL;

    script->status = 204;
    script->wait_us = 300000;
    make(&f, id);
    CHECK_INT(api(&f, 0, "POST", at(id, "/snapshots"), "{\"name\":\"used\"}", &json), 201);
    json_decref(json);
    CHECK(wr_strformat(body, sizeof body, "{\"templateID\":\"used\",\"timeout\":60}"));
    CHECK(wr_strformat(request, sizeof request,
                       "POST /sandboxes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       strlen(body), body));
    int fd = connect_raw(&f);
    CHECK_INT(wr_write_all(fd, request, strlen(request)), 0);
    while (script->told == 0)
        usleep(5000);
    CHECK(wr_strcopy(target, sizeof target, "/templates/used"));
    refused(&f, 0, "DELETE", target, NULL, 400, "being made from the snapshot");
    ssize_t n = read(fd, answer, sizeof answer - 1);
    CHECK(n > 0);
    answer[n] = '\0';
    CHECK(strstr(answer, " 201 "));
    close(fd);
    CHECK_INT(snapshots_of(&f), 1);
    CHECK_INT(api(&f, 0, "DELETE", target, NULL, NULL), 204);
    stop(&f);
    stop_agent(agent);
}

TEST(bad_requests_are_refused)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21];
    static const struct {
        const char *body, *text;
    } rows[] = {
        {"{\"count\":0}", "from 1 to 100"},  {"{\"count\":101}", "from 1 to 100"},
        {"{\"count\":-1}", "from 1 to 100"}, {"{\"count\":\"2\"}", "count"},
        {"{\"timeout\":0}", "Timeout must"}, {"{\"timeout\":90000}", "Timeout cannot"},
        {"{\"color\":1}", "color"},          {"[", "validation error"},
    };

    make(&f, id);
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        refused(&f, 0, "POST", at(id, "/fork"), rows[i].body, 400, rows[i].text);
    refused(&f, 0, "POST", at("nonexistingsandbox00", "/fork"), "{}", 404, "doesn't exist");
    refused(&f, 1, "POST", at(id, "/fork"), "{}", 404, "doesn't exist");
    stop(&f);
}
