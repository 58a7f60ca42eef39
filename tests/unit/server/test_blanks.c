/* Blank sandboxes: the server, a fake engine, and an agent that says what the test wants. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/action.h"
#include "server_fixture.h"
#include "test.h"

/* ---- the agent ---- */

/* Shared with the agent's processes. */
struct script {
    int init_status;      /* what POST /init is answered with */
    int not_ready;        /* GET /init says "not yet" so often */
    int broken;           /* GET /init says that preparing has failed */
    int asked, posted;    /* GET and POST /init that came */
    char body[4096];      /* of the last POST */
    char token[256];      /* that it came with */
    char control[256];    /* the same, control token */
    char asked_with[256]; /* control token of the last GET */
};
static struct script *script;

static void find_field(const char *request, const char *name, char out[static 256])
{
    const char *field = strstr(request, name);
    const char *value = field ? field + strlen(name) : "";
    size_t len = strcspn(value, "\r");

    CHECK(len < 256);
    memcpy(out, value, len);
    out[len] = '\0';
}

static void answer(const char *request, char *out, size_t cap)
{
    const char *body = strstr(request, "\r\n\r\n");

    if (strstr(request, "GET /init ") == request) {
        find_field(request, "X-Warren-Control: ", script->asked_with);
        script->asked++;
        const char *text = script->broken
                               ? "{\"blank\":true,\"ready\":false,\"error\":\"no python\"}"
                           : script->not_ready-- > 0 ? "{\"blank\":true,\"ready\":false}"
                                                     : "{\"blank\":true,\"ready\":true}";
        CHECK(wr_strformat(out, cap, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                           strlen(text), text));
        return;
    }
    CHECK(strstr(request, "POST /init ") == request);
    script->posted++;
    CHECK(wr_strcopy(script->body, sizeof script->body, body + 4));
    find_field(request, "X-Access-Token: ", script->token);
    find_field(request, "X-Warren-Control: ", script->control);
    CHECK(wr_strformat(out, cap, "HTTP/1.1 %d X\r\n%s\r\n", script->init_status,
                       script->init_status == 204 ? "" : "Content-Length: 0\r\n"));
}

/* Requests come in one piece: they are small, and written at once. */
static void serve_one(int fd)
{
    char request[8192], text[1024];
    ssize_t n;

    while ((n = read(fd, request, sizeof request - 1)) > 0) {
        request[n] = '\0';
        answer(request, text, sizeof text);
        if (wr_write_all(fd, text, strlen(text)) < 0)
            break;
    }
    _exit(0);
}

static pid_t start_agent(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(WR_AGENT_PORT),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    script = mmap(NULL, sizeof *script, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(script != MAP_FAILED);
    script->init_status = 204;
    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 16) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        close(fd);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    for (;;) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        pid_t child = client < 0 ? -1 : fork();
        if (child < 0)
            _exit(1);
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve_one(client);
        }
        close(client);
    }
}

static void stop_agent(pid_t pid)
{
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK_INT(exit_of(pid), 1000 + SIGKILL);
    CHECK(munmap(script, sizeof *script) == 0);
}

static void wait_for(const int *value, int least)
{
    uint64_t end_ms = wr_mono_ms() + 20000;

    while (*(const volatile int *)value < least) {
        CHECK(wr_mono_ms() < end_ms);
        (void)poll(NULL, 0, 5);
    }
}

/* `count` blanks of a template are ready: the agent has been asked for each, once it was told
 * that they are. */
static struct fixture start_blanks(const char *template_name, uint32_t count)
{
    struct fixture f = start_with(&(struct start_opts){
        .api = true, .ingress = true, .blank_template = template_name, .blank_count = count});
    return f;
}

/* The answer to the last GET is in the server's hands a moment after it was sent. */
static void settle(void)
{
    (void)poll(NULL, 0, 400);
}

/* ---- tests ---- */

TEST(a_blank_becomes_what_was_asked_for)
{
    own_network();
    pid_t agent = start_agent();
    script->not_ready = 3;
    struct fixture f = start_blanks("base", 1);
    char id[21];

    wait_for(&script->asked, 4);
    settle();
    CHECK_INT(count(&f), 0);
    json_t *made =
        created(&f, 0, "/v2/sandboxes",
                "{\"templateID\":\"base\",\"envVars\":{\"A\":\"b c\"},\"metadata\":{\"k\":"
                "\"v\"},\"limits\":{\"pids\":77}}",
                id);
    CHECK_INT(script->posted, 1);
    json_t *body = json_loads(script->body, 0, NULL);
    CHECK(body);
    CHECK_STR(text_of(json_object_get(body, "envVars"), "A"), "b c");
    /* The token is the client's, and not the one that the blank had. */
    const char *token = text_of(made, "envdAccessToken");
    CHECK_INT(strlen(token), 64);
    CHECK_STR(text_of(body, "accessToken"), token);
    CHECK_INT(strlen(script->token), 64);
    CHECK(strcmp(script->token, token) != 0);
    CHECK_INT(strlen(text_of(body, "timestamp")), 24);
    /* The same of the control token, which no client sees. */
    const char *control = text_of(body, "controlToken");
    char *shown_text = json_dumps(made, 0);
    CHECK_INT(strlen(control), 64);
    CHECK_INT(strlen(script->control), 64);
    CHECK_STR(script->asked_with, script->control);
    CHECK(strcmp(script->control, script->token) != 0 && strcmp(script->control, control) != 0);
    CHECK(!strstr(shown_text, control) && !strstr(shown_text, script->control));
    free(shown_text);
    json_decref(body);
    json_decref(made);

    CHECK_INT(count(&f), 1);
    char target[64];
    json_t *shown = NULL;
    CHECK(wr_strformat(target, sizeof target, "/sandboxes/%s", id));
    CHECK_INT(api(&f, 0, "GET", target, NULL, &shown), 200);
    CHECK_STR(text_of(json_object_get(shown, "metadata"), "k"), "v");
    json_decref(shown);
    /* The pool has another one soon. */
    wait_for(&script->asked, 5);
    CHECK_INT(api(&f, 0, "DELETE", target, NULL, NULL), 204);
    CHECK_INT(count(&f), 0);
    stop(&f);
    stop_agent(agent);
}

TEST(without_secure_the_token_goes)
{
    own_network();
    pid_t agent = start_agent();
    struct fixture f = start_blanks("base", 1);
    char id[21];

    wait_for(&script->asked, 1);
    settle();
    json_t *made = created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id);
    CHECK(!json_object_get(made, "envdAccessToken"));
    json_decref(made);
    CHECK_INT(script->posted, 1);
    CHECK(!strstr(script->body, "accessToken") && !strstr(script->body, "envVars"));
    CHECK(strstr(script->body, "controlToken") != NULL);
    stop(&f);
    stop_agent(agent);
}

/* No client sees that a blank could not be used. */
TEST(a_blank_that_fails_costs_nobody_a_sandbox)
{
    own_network();
    pid_t agent = start_agent();
    script->init_status = 500;
    struct fixture f = start_blanks("base", 1);
    char id[21];

    for (int i = 1; i <= 3; i++) {
        wait_for(&script->asked, i);
        settle();
        json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
        CHECK_INT(script->posted, i);
        CHECK_INT(count(&f), i);
    }
    stop(&f);
    stop_agent(agent);
}

/* The engine refuses: the template is another one by now. The others of the pool go as well. */
TEST(blanks_of_an_old_template_are_not_used)
{
    own_network();
    pid_t agent = start_agent();
    struct fixture f = start_blanks("stale", 2);
    char id[21];

    wait_for(&script->asked, 2);
    settle();
    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"stale\"}", id));
    CHECK_INT(count(&f), 1);
    /* Two new ones. */
    wait_for(&script->asked, 4);
    stop(&f);
    stop_agent(agent);
}

TEST(other_requests_take_no_blank)
{
    own_network();
    pid_t agent = start_agent();
    struct fixture f = start_blanks("base", 1);
    char id[21];

    wait_for(&script->asked, 1);
    settle();
    /* Of another template; with a limit that a running agent cannot get. */
    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"secure\",\"secure\":true}", id));
    json_decref(created(&f, 0, "/sandboxes",
                        "{\"templateID\":\"base\",\"limits\":{\"openFiles\":2048}}", id));
    CHECK_INT(script->posted, 0);
    /* The same limit is none. */
    json_decref(created(&f, 0, "/sandboxes",
                        "{\"templateID\":\"base\",\"limits\":{\"openFiles\":1024}}", id));
    CHECK_INT(script->posted, 1);
    CHECK_INT(count(&f), 3);
    stop(&f);
    stop_agent(agent);
}

TEST(a_template_that_cannot_be_prepared)
{
    own_network();
    pid_t agent = start_agent();
    script->broken = 1;
    struct fixture f = start_blanks("base", 1);
    char id[21];

    /* Each failure makes the next attempt later. */
    wait_for(&script->asked, 2);
    CHECK(script->asked < 4);
    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    CHECK_INT(script->posted, 0);
    script->broken = 0;
    wait_for(&script->asked, 3);
    settle();
    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    CHECK_INT(script->posted, 1);
    stop(&f);
    stop_agent(agent);
}

/* An engine that begins anew has ended the blanks of the old one: they have no row. */
TEST(an_engine_that_begins_anew)
{
    own_network();
    pid_t agent = start_agent();
    struct fixture f = start_blanks("base", 2);
    struct wr_error err = {0};
    char id[21];

    wait_for(&script->asked, 2);
    settle();
    CHECK(create(&f, "restart", 60, id, &err) < 0);
    wait_for(&script->asked, 4);
    settle();
    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    CHECK_INT(script->posted, 1);
    CHECK_INT(count(&f), 1);
    stop(&f);
    stop_agent(agent);
}

/* Blanks do not keep a server that is idle. */
TEST(an_idle_server_ends_with_blanks)
{
    own_network();
    pid_t agent = start_agent();
    struct fixture f = start_with(
        &(struct start_opts){.blank_template = "base", .blank_count = 2, .idle_ms = 300});

    f.client = wr_transport_free(f.client);
    CHECK_INT(exit_of(f.server), 0);
    CHECK_INT(exit_of(f.engine), 42);
    clean(&f);
    stop_agent(agent);
}
