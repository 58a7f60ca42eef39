/* Files of volumes: who may ask, the sandbox that serves them, its beginning and its end. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/str.h"
#include "server/volume_content.h"
#include "server/volume_token.h"
#include "server_fixture.h"
#include "test.h"

#define UNKNOWN "00000000-0000-4000-8000-000000000000"

/* An agent: answers every request with the head and the body that it got, and keeps the connection.
 */
static void serve_connection(int fd)
{
    static char text[65536];
    size_t len = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        ssize_t n = read(fd, text + len, sizeof text - 1 - len);
        if (n <= 0)
            _exit(0);
        len += (size_t)n;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *field = strstr(text, "Content-Length: ");
        size_t body = end && field && field < end ? strtoul(field + 16, NULL, 10) : 0;
        if (!end || len < (size_t)(end - text) + 4 + body)
            continue;
        char head[128];
        CHECK(
            wr_strformat(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len));
        if (wr_write_all(fd, head, strlen(head)) < 0 || wr_write_all(fd, text, len) < 0)
            _exit(0);
        len = 0;
    }
}

static pid_t start_agent(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(WR_AGENT_PORT),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(bind(listener, (const struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(listener, 64) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        close(listener);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fork() == 0)
            serve_connection(fd);
        close(fd);
    }
}

struct content_fixture {
    struct fixture f;
    pid_t agent;
    char id[40], target[64], auth[256];
};

static struct content_fixture begin(void)
{
    struct content_fixture c = {.agent = 0};
    json_t *made = NULL;

    own_network();
    c.agent = start_agent();
    c.f = start_with(&(struct start_opts){.api = true});
    CHECK_INT(api(&c.f, 0, "POST", "/volumes", "{\"name\":\"data\"}", &made), 201);
    CHECK(wr_strcopy(c.id, sizeof c.id, text_of(made, "volumeID")));
    CHECK(wr_strformat(c.target, sizeof c.target, "/volumes/%s", c.id));
    CHECK(wr_strformat(c.auth, sizeof c.auth, "Authorization: Bearer %s\r\n",
                       text_of(made, "token")));
    json_decref(made);
    return c;
}

static void finish(struct content_fixture *c)
{
    stop(&c->f);
    kill(c->agent, SIGKILL);
    CHECK(waitpid(c->agent, NULL, 0) == c->agent);
}

/* Asks without a key, with the token or other fields. */
static int ask(struct content_fixture *c, const char *method, const char *rest, const char *fields,
               const char *body)
{
    char target[160];

    CHECK(wr_strformat(target, sizeof target, "/volumecontent/%s%s", c->id, rest));
    return api_with(&c->f, -2, method, target, fields, body, NULL);
}

TEST(the_agent_gets_the_request_in_the_servers_name)
{
    struct content_fixture c = begin();
    char fields[400];

    CHECK(wr_strformat(fields, sizeof fields,
                       "%sCookie: secret=1\r\nX-Access-Token: mine\r\nX-Kept: yes\r\n", c.auth));
    CHECK_INT(ask(&c, "PUT", "/file?path=%2Fa%20b&mode=384", fields, "hello body"), 200);
    CHECK(strstr(c.f.answer, "PUT /volumecontent/file?") &&
          strstr(c.f.answer, "path=%2Fa%20b&mode=384"));
    CHECK(strstr(c.f.answer, "X-Kept: yes") && strstr(c.f.answer, "hello body"));
    CHECK(!strstr(c.f.answer, "Bearer") && !strstr(c.f.answer, "secret=1"));
    CHECK(!strstr(c.f.answer, "Token: mine"));
    const char *token = strstr(c.f.answer, "X-Access-Token: ");
    CHECK(token && strspn(token + 16, "0123456789abcdef") == 64);
    /* Nobody sees the sandbox that did it. */
    CHECK_INT(count(&c.f), 0);
    /* The operator needs no token. */
    CHECK_INT(api(&c.f, -1, "GET", "/volumecontent/x/dir", NULL, NULL), 400);
    char target[128];
    CHECK(wr_strformat(target, sizeof target, "/volumecontent/%s/dir?path=/", c.id));
    CHECK_INT(api(&c.f, -1, "GET", target, NULL, NULL), 200);
    finish(&c);
}

TEST(only_the_volumes_token_opens_it)
{
    struct content_fixture c = begin();
    char other[256], target[128];
    json_t *made = NULL;

    CHECK_INT(api(&c.f, 1, "POST", "/volumes", "{\"name\":\"data\"}", &made), 201);
    CHECK(
        wr_strformat(other, sizeof other, "Authorization: Bearer %s\r\n", text_of(made, "token")));
    json_decref(made);
    CHECK_INT(ask(&c, "GET", "/path?path=/", "", NULL), 401);
    CHECK(strstr(c.f.answer, "\"code\":\"unauthenticated\""));
    CHECK_INT(ask(&c, "GET", "/path?path=/", "Authorization: Bearer x\r\n", NULL), 401);
    CHECK_INT(ask(&c, "GET", "/path?path=/", other, NULL), 401);
    /* A key is no token. */
    CHECK(wr_strformat(target, sizeof target, "/volumecontent/%s/path?path=/", c.id));
    CHECK_INT(api(&c.f, 0, "GET", target, NULL, NULL), 401);
    CHECK_INT(
        api_with(&c.f, -2, "GET", "/volumecontent/" UNKNOWN "/path?path=/", c.auth, NULL, NULL),
        401);
    CHECK_INT(ask(&c, "GET", "/path?path=/", c.auth, NULL), 200);
    CHECK_INT(ask(&c, "POST", "/file?path=/", c.auth, NULL), 405);
    CHECK_INT(ask(&c, "GET", "/other", c.auth, NULL), 404);
    CHECK(strstr(c.f.answer, "\"code\":\"not_found\""));
    finish(&c);
}

TEST(a_removed_volume_has_no_files)
{
    struct content_fixture c = begin();

    CHECK_INT(ask(&c, "GET", "/path?path=/", c.auth, NULL), 200);
    /* Its own sandbox does not keep it. */
    CHECK_INT(api(&c.f, 0, "DELETE", c.target, NULL, NULL), 204);
    CHECK_INT(ask(&c, "GET", "/path?path=/", c.auth, NULL), 404);
    CHECK(strstr(c.f.answer, "\"code\":\"not_found\"") && strstr(c.f.answer, "Volume not found"));
    finish(&c);
}

TEST(no_agent_is_no_answer)
{
    struct content_fixture c = begin();

    CHECK_INT(ask(&c, "GET", "/path?path=/", c.auth, NULL), 200);
    kill(c.agent, SIGKILL);
    CHECK(waitpid(c.agent, NULL, 0) == c.agent);
    CHECK_INT(ask(&c, "PUT", "/file?path=/x", c.auth, "x"), 503);
    CHECK(strstr(c.f.answer, "\"code\":\"unavailable\""));
    stop(&c.f);
}
