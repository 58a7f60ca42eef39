/* The server as a process, over its socket, with a fake engine behind it and an HTTP service of
 * this host in place of the sandbox. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "client/request.h"
#include "client/sandbox.h"
#include "fake_engine.h"
#include "http/server.h"
#include "server/main.h"
#include "test.h"

struct fixture {
    char dir[64], path[96];
    pid_t engine, server;
    struct wr_client *client;
};

static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(wr_strcopy(address.sun_path, sizeof address.sun_path, path));
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0);
    return fd;
}

static struct fixture start(unsigned preset, const char *owner, uint64_t idle_ms)
{
    struct fixture f = {.dir = "/tmp/wr-server-XXXXXX"};
    struct wr_error err = {0};
    int engine_fd = -1, ready[2];
    char byte = 0;

    CHECK(mkdtemp(f.dir) && pipe(ready) == 0);
    CHECK(wr_strformat(f.path, sizeof f.path, "%s/s", f.dir));
    f.engine = fake_engine_start(&engine_fd, preset, owner);
    struct wr_server_opts opts = {engine_fd, listen_unix(f.path), ready[1], idle_ms};
    f.server = fork();
    if (f.server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        _exit(wr_server_run(&opts, &err) < 0 ? err.code : 0);
    }
    close(engine_fd);
    close(opts.listen_fd);
    close(ready[1]);
    CHECK_INT(wr_read_full(ready[0], &byte, 1), 1);
    CHECK_INT(byte, 'R');
    close(ready[0]);
    CHECK_INT(wr_client_open(f.path, &f.client, &err), 0);
    return f;
}

static int exit_of(pid_t pid)
{
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void clean(struct fixture *f)
{
    wr_client_free(f->client);
    unlink(f->path);
    rmdir(f->dir);
}

static void stop(struct fixture *f)
{
    kill(f->server, SIGTERM);
    CHECK_INT(exit_of(f->server), 0);
    CHECK_INT(exit_of(f->engine), 0); /* its socket was closed, it was not shut down */
    clean(f);
}

static int create(struct fixture *f, const char *template, uint64_t timeout_s, char id[static 21],
                  struct wr_error *err)
{
    static const char *const metadata[] = {"k=v"};
    struct wr_sandbox_opts opts = {.template_name = template,
                                   .timeout_s = timeout_s,
                                   .metadata = metadata,
                                   .metadata_count = 1};
    *err = (struct wr_error){0};
    int r = wr_sandbox_create(f->client, &opts, id, NULL, err);
    if (r < 0)
        printf("# create %s: %s\n", template, err->msg);
    return r;
}

static size_t count(struct fixture *f)
{
    struct wr_error err = {0};
    json_t *list = NULL;
    CHECK_INT(wr_sandbox_list(f->client, &list, &err), 0);
    size_t n = json_array_size(list);
    json_decref(list);
    return n;
}

TEST(create_list_kill)
{
    struct fixture f = start(0, NULL, 0);
    struct wr_error err = {0};
    char id[21], other[21];
    json_t *list = NULL;

    CHECK_INT(count(&f), 0);
    CHECK_INT(create(&f, "base", 0, id, &err), 0);
    CHECK_INT(create(&f, "base", 0, other, &err), 0);
    CHECK_INT(wr_sandbox_list(f.client, &list, &err), 0);
    CHECK_INT(json_array_size(list), 2);
    const json_t *one = json_array_get(list, 0);
    CHECK_STR(json_string_value(json_object_get(one, "state")), "running");
    CHECK_STR(json_string_value(json_object_get(one, "envdVersion")), "0.6.13");
    CHECK_INT(json_integer_value(json_object_get(one, "cpuCount")), 2);
    CHECK_STR(json_string_value(json_object_get(json_object_get(one, "metadata"), "k")), "v");
    json_decref(list);
    CHECK_INT(wr_sandbox_kill(f.client, id, &err), 0);
    CHECK_INT(wr_sandbox_kill(f.client, id, &err), -WR_E_NOT_FOUND);
    CHECK_INT(count(&f), 1);
    stop(&f);
}

TEST(engine_errors_reach_the_client)
{
    struct fixture f = start(0, NULL, 0);
    struct wr_error err;
    char id[21];

    CHECK(create(&f, "fail", 0, id, &err) < 0);
    CHECK_STR(err.msg, "this template fails");
    CHECK_INT(create(&f, "restart", 0, id, &err), -WR_E_UNAVAILABLE);
    CHECK_INT(create(&f, "base", 86401, id, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(create(&f, "base", 0, id, &err), 0);
    stop(&f);
}

TEST(gone_sandboxes_disappear)
{
    struct fixture f = start(0, NULL, 0);
    struct wr_error err;
    char id[21];

    CHECK_INT(create(&f, "dies", 0, id, &err), 0);
    for (int i = 0; i < 100 && count(&f) > 0; i++)
        (void)poll(NULL, 0, 10);
    CHECK_INT(count(&f), 0);
    stop(&f);
}

TEST(deadline_kills)
{
    struct fixture f = start(0, NULL, 0);
    struct wr_error err;
    char id[21];

    CHECK_INT(create(&f, "base", 1, id, &err), 0);
    CHECK_INT(count(&f), 1);
    (void)poll(NULL, 0, 1300);
    CHECK_INT(count(&f), 0);
    stop(&f);
}

TEST(timeout_moves_the_deadline)
{
    struct fixture f = start(0, NULL, 0);
    struct wr_error err = {0};
    char id[21], target[64];
    struct wr_client_request request = {.method = "POST",
                                        .target = target,
                                        .content_type = "application/json",
                                        .body = "{\"timeout\":60}",
                                        .body_len = 14};

    CHECK_INT(create(&f, "base", 1, id, &err), 0);
    snprintf(target, sizeof target, "/sandboxes/%s/timeout", id);
    CHECK_INT(wr_client_request(f.client, &request, 0, NULL, &err), 0);
    (void)poll(NULL, 0, 1300);
    CHECK_INT(count(&f), 1);
    request.body = "{\"timeout\":0}";
    request.body_len = 13;
    CHECK_INT(wr_client_request(f.client, &request, 0, NULL, &err), 0);
    CHECK_INT(count(&f), 0);
    CHECK_INT(wr_client_request(f.client, &request, 0, NULL, &err), -WR_E_NOT_FOUND);
    stop(&f);
}

TEST(new_server_finds_old_sandboxes)
{
    char owner[128];
    snprintf(owner, sizeof owner,
             "{\"format\":1,\"deadlineMs\":%llu,\"metadata\":{\"who\":\"me\"}}",
             (unsigned long long)wr_wall_ms() + 1500);
    struct fixture f = start(5, owner, 0);
    struct wr_error err = {0};
    json_t *list = NULL;

    CHECK_INT(wr_sandbox_list(f.client, &list, &err), 0);
    CHECK_INT(json_array_size(list), 5);
    CHECK_STR(json_string_value(
                  json_object_get(json_object_get(json_array_get(list, 0), "metadata"), "who")),
              "me");
    json_decref(list);
    CHECK_INT(wr_sandbox_kill(f.client, "cccccccccccccccccccc", &err), 0);
    CHECK_INT(count(&f), 4);
    (void)poll(NULL, 0, 1900);
    CHECK_INT(count(&f), 0);
    stop(&f);
}

TEST(unreadable_record_gets_a_deadline)
{
    struct fixture f = start(1, "from another program", 0);
    CHECK_INT(count(&f), 1);
    stop(&f);
}

TEST(idle_server_ends_with_its_engine)
{
    struct fixture f = start(0, NULL, 300);
    f.client = wr_client_free(f.client);
    CHECK_INT(exit_of(f.server), 0);
    CHECK_INT(exit_of(f.engine), 42); /* it was told to shut down */
    clean(&f);
}

TEST(lost_engine_ends_the_server)
{
    struct fixture f = start(0, NULL, 0);
    kill(f.engine, SIGKILL);
    CHECK_INT(exit_of(f.engine), 1000 + SIGKILL);
    CHECK_INT(exit_of(f.server), WR_E_UNAVAILABLE);
    clean(&f);
}

/* ---- ingress ---- */

static void echo_body(struct wr_exchange *ex, const char *bytes, size_t len, void *data)
{
    (void)data;
    if (wr_exchange_write(ex, bytes, len) == WR_HTTP_FULL)
        wr_exchange_pause(ex, true);
}

static void echo_end(struct wr_exchange *ex, void *data)
{
    (void)data;
    wr_exchange_end(ex);
}

static void echo_drain(struct wr_exchange *ex, void *data)
{
    (void)data;
    wr_exchange_pause(ex, false);
}

static void on_service(struct wr_exchange *ex, void *data)
{
    static const struct wr_exchange_ops ops = {
        .on_body = echo_body, .on_body_end = echo_end, .on_drain = echo_drain};
    const struct wr_h1_head *head = wr_exchange_head(ex);

    (void)data;
    wr_exchange_begin(ex, 200);
    /* Routing and hop-by-hop fields must have stayed outside. */
    bool leaked = wr_h1_find(head, "E2b-Sandbox-Id") || wr_h1_find(head, "X-Hop");
    wr_exchange_header(ex, "X-Leaked", leaked ? "yes" : "no");
    wr_exchange_set_ops(ex, &ops, NULL);
    wr_exchange_stream(ex, -1);
}

static pid_t start_service(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    *ret_port = ntohs(address.sin_port);
    pid_t pid = fork();
    if (pid == 0) {
        struct wr_error err = {0};
        struct wr_loop *loop = NULL;
        struct wr_http_server *http = NULL;
        struct wr_http_server_opts opts = {.max_connections = 64, .handler = on_service};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (wr_loop_new(&loop, &err) == 0 && wr_http_server_new(loop, fd, &opts, &http, &err) == 0)
            (void)!wr_loop_run(loop, &err);
        _exit(1);
    }
    close(fd);
    return pid;
}

TEST(ingress_echoes_a_large_body_both_ways)
{
    struct fixture f = start(0, NULL, 0);
    struct wr_error err = {0};
    struct wr_buf answer = WR_BUF((size_t)16 * 1024 * 1024);
    size_t len = (size_t)8 * 1024 * 1024;
    char *body = malloc(len), id[21];
    uint16_t port = 0;
    pid_t service = start_service(&port);

    for (size_t i = 0; i < len; i++)
        body[i] = (char)(i * 31 + i / 4096);
    CHECK_INT(create(&f, "base", 0, id, &err), 0);
    struct wr_client_request request = {.method = "POST",
                                        .target = "/x",
                                        .sandbox_id = id,
                                        .port = port,
                                        .content_type = "application/octet-stream"};
    /* Small ones, more than there are spare sockets, then a large one on the kept connection. */
    for (int i = 0; i < 10; i++) {
        request.body = "hello";
        request.body_len = 5;
        wr_buf_clear(&answer);
        CHECK_INT(wr_client_request(f.client, &request, 0, &answer, &err), 0);
        CHECK_STR(wr_buf_cstr(&answer), "hello");
    }
    struct wr_client_request stream = request;
    stream.body = body;
    stream.body_len = 900 * 1024;
    wr_buf_clear(&answer);
    CHECK_INT(wr_client_request(f.client, &stream, 0, &answer, &err), 0);
    CHECK_INT(answer.len, stream.body_len);
    CHECK(memcmp(wr_buf_ptr(&answer), body, stream.body_len) == 0);
    free(body);
    wr_buf_done(&answer);
    kill(service, SIGKILL);
    (void)exit_of(service);
    stop(&f);
}

/* The whole answer to one raw request. */
static void raw(struct fixture *f, const char *request, char *out, size_t cap)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(wr_strcopy(address.sun_path, sizeof address.sun_path, f->path));
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK_INT(wr_write_all(fd, request, strlen(request)), 0);
    ssize_t n = wr_read_full(fd, out, cap - 1);
    CHECK(n > 0);
    out[n] = '\0';
    close(fd);
}

static void expect(struct fixture *f, const char *headers, const char *status, const char *text)
{
    char request[512], answer[4096], line[64];
    snprintf(request, sizeof request, "GET /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n",
             headers);
    snprintf(line, sizeof line, "HTTP/1.1 %s", status);
    raw(f, request, answer, sizeof answer);
    if (!wr_starts_with(answer, line) || !strstr(answer, text))
        wr_test_fail(__FILE__, __LINE__, "%s: %s", headers, answer);
}

TEST(ingress_answers)
{
    struct fixture f = start(1, NULL, 0);
    uint16_t port = 0;
    char headers[256];
    pid_t service = start_service(&port);

    expect(&f, "E2b-Sandbox-Id: aaaaaaaaaaaaaaaaaaaa\r\n", "400", "missing header");
    expect(&f, "E2b-Sandbox-Port: 80\r\n", "400", "missing header");
    expect(&f, "E2b-Sandbox-Id: A!\r\nE2b-Sandbox-Port: 80\r\n", "400", "Invalid sandbox ID");
    expect(&f, "E2b-Sandbox-Id: aaa\r\nE2b-Sandbox-Port: 0\r\n", "400", "Invalid sandbox port");
    expect(&f, "E2b-Sandbox-Id: aaa\r\nE2b-Sandbox-Port: 65536\r\n", "400", "Invalid sandbox port");
    expect(&f, "E2b-Sandbox-Id: notthere\r\nE2b-Sandbox-Port: 80\r\n", "502",
           "\"message\":\"The sandbox was not found\"");
    snprintf(headers, sizeof headers,
             "E2b-Sandbox-Id: aaaaaaaaaaaaaaaaaaaa-warren\r\nE2b-Sandbox-Port: %u\r\n"
             "X-Hop: 1\r\nConnection: X-Hop\r\n",
             port);
    expect(&f, headers, "200", "X-Leaked: no");
    kill(service, SIGKILL);
    (void)exit_of(service);
    snprintf(headers, sizeof headers,
             "E2b-Sandbox-Id: aaaaaaaaaaaaaaaaaaaa\r\nE2b-Sandbox-Port: %u\r\n", port);
    expect(&f, headers, "502", "The sandbox is running but port is not open");
    stop(&f);
}

TEST(api_refuses_what_it_does_not_know)
{
    struct fixture f = start(0, NULL, 0);
    char answer[4096];

    raw(&f, "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer, sizeof answer);
    CHECK(strstr(answer, "HTTP/1.1 404") && strstr(answer, "\"code\":404"));
    raw(&f, "PUT /sandboxes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
        sizeof answer);
    CHECK(strstr(answer, "HTTP/1.1 405"));
    raw(&f, "GET /sandboxes/../../etc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
        sizeof answer);
    CHECK(strstr(answer, "HTTP/1.1 404"));
    stop(&f);
}
