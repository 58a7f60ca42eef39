#include "live.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "sys/syscall.h"
#include "test.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
                             "user:x:1000:1000::/mnt/home:/bin/bash\n";
static const char group[] = "root:x:0:\nuser:x:1000:\ncrew:x:2000:user\n";

static void write_file(const char *path, const char *text)
{
    wr_auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK_INT(wr_write_all(fd, text, strlen(text)), 0);
}

/* The host's files stay as they are, whatever the agent writes. */
static void cover_etc(void)
{
    CHECK_INT(mkdir("/mnt/etc", 0755), 0);
    CHECK_INT(mkdir("/mnt/work", 0755), 0);
    CHECK_INT(
        mount("overlay", "/etc", "overlay", 0, "lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work"),
        0);
    /* Other than the one that was there, which may be a mount or read-only. */
    CHECK(unlink("/etc/machine-id") == 0 || errno == ENOENT);
    write_file("/etc/machine-id", "");
    CHECK(unlink("/etc/hosts") == 0 || errno == ENOENT);
    write_file("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1\t" LIVE_ID " x" LIVE_ID "\n");
}

/* What the nest does for a real sandbox, as far as the agent can tell. */
static void enter_sandbox(void)
{
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    CHECK_INT(mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755"), 0);
    CHECK_INT(mkdir("/mnt/home", 0755), 0);
    CHECK_INT(chown("/mnt/home", 1000, 1000), 0);
    CHECK_INT(mkdir("/mnt/locked", 0700), 0);
    CHECK_INT(mkdir(LIVE_SMALL_FS, 0755), 0);
    CHECK_INT(mount("tmpfs", LIVE_SMALL_FS, "tmpfs", 0, "size=1m,mode=0777"), 0);
    write_file("/mnt/passwd", passwd);
    write_file("/mnt/group", group);
    CHECK_INT(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), 0);
    cover_etc();
    CHECK_INT(mount("/mnt/passwd", "/etc/passwd", NULL, MS_BIND, NULL), 0);
    CHECK_INT(mount("/mnt/group", "/etc/group", NULL, MS_BIND, NULL), 0);
    CHECK_INT(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), 0);
    CHECK_INT(mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                    "newinstance,mode=0620,ptmxmode=0666"),
              0);
}

struct start_opts {
    const char *access_token;
    bool blank, without_control;
};

static void run_agent(int listen_fd, const struct start_opts *opts)
{
    json_t *env = json_pack("{s:s}", "GLOBAL", "from the sandbox");
    const struct wr_agent_config config = {.sandbox_id = LIVE_ID,
                                           .template_name = "base",
                                           .default_user = "user",
                                           .default_workdir = "",
                                           .env = env,
                                           .listen_fd = listen_fd,
                                           .interpreter_fd = -1,
                                           .blank = opts->blank,
                                           .content_root = LIVE_SMALL_FS,
                                           .log_max_bytes = LIVE_LOG_MAX,
                                           .access_token = opts->access_token,
                                           .control_token =
                                               opts->without_control ? NULL : LIVE_CONTROL};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(0);
    wr_signals_reset(); /* as the nest does */
    enter_sandbox();
    CHECK(chdir("/") == 0);
    _exit(wr_agent_run(&config));
}

static void start(struct live *live, const struct start_opts *opts)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t addr_len = sizeof(addr);
    struct wr_error err;

    *live = (struct live){0};
    NEEDS_ROOT();
    wr_auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    CHECK_INT(listen(fd, 64), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&addr, &addr_len), 0);
    live->port = ntohs(addr.sin_port);
    fflush(stdout);
    struct clone_args args = {.flags = CLONE_NEWPID | CLONE_NEWNS, .exit_signal = SIGCHLD};
    live->agent = wr_clone3(&args);
    CHECK(live->agent >= 0);
    if (live->agent == 0)
        run_agent(wr_steal_fd(&fd), opts);
    CHECK_INT(wr_loop_new(&live->loop, &err), 0);
}

void live_start(struct live *live)
{
    start(live, &(struct start_opts){0});
}

void live_start_with(struct live *live, const char *access_token)
{
    start(live, &(struct start_opts){.access_token = access_token});
}

void live_start_blank(struct live *live, const char *access_token)
{
    start(live, &(struct start_opts){.access_token = access_token, .blank = true});
}

void live_start_without_control(struct live *live)
{
    start(live, &(struct start_opts){.without_control = true});
}

void live_stop(struct live *live)
{
    if (live->agent > 0) {
        (void)kill(live->agent, SIGKILL);
        (void)waitpid(live->agent, NULL, 0);
    }
    live->loop = wr_loop_free(live->loop);
    live->agent = 0;
}

static void check_memory(const struct live *live, const char *const *keys, uint64_t max)
{
#ifndef __SANITIZE_ADDRESS__
    char path[64];
    wr_auto_buf text = WR_BUF(65536);
    size_t sum_kib = 0;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", live->agent);
    CHECK_INT(wr_file_read(AT_FDCWD, path, &text), 0);
    for (size_t i = 0; keys[i]; i++) {
        const char *at = strstr(wr_buf_cstr(&text), keys[i]);
        CHECK(at != NULL);
        sum_kib += strtoul(at + strlen(keys[i]), NULL, 10);
    }
    if (sum_kib * WR_KIB >= max)
        wr_test_fail(__FILE__, __LINE__, "the agent has %zu KiB, not below %llu", sum_kib,
                     (unsigned long long)(max / WR_KIB));
    printf("# memory of the agent: %zu KiB\n", sum_kib);
#else
    (void)live;
    (void)keys;
    (void)max;
#endif
}

void live_check_private(const struct live *live, uint64_t max)
{
    static const char *const keys[] = {"Private_Clean:", "Private_Dirty:", NULL};
    check_memory(live, keys, max);
}

void live_check_rss(const struct live *live, uint64_t max)
{
    static const char *const keys[] = {"\nRss:", NULL};
    check_memory(live, keys, max);
}

void live_idle(struct live *live, unsigned ms)
{
    struct wr_error err;
    uint64_t end = wr_mono_ms() + ms;
    while (wr_mono_ms() < end)
        CHECK_INT(wr_loop_step(live->loop, 10, &err), 0);
}

struct wr_http_conn *live_connect(struct live *live)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr = {htonl(INADDR_LOOPBACK)},
                               .sin_port = htons((uint16_t)live->port)};
    struct wr_http_conn *conn = NULL;
    struct wr_error err;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    if (wr_http_conn_new(live->loop, fd, (struct sockaddr *)&addr, sizeof(addr), &conn, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "connect: %s", err.msg);
    return conn;
}

static void reply_head(struct wr_http_call *call, const struct wr_h1_head *head, void *data)
{
    struct reply *r = data;
    size_t at = 0;
    (void)call;
    r->status = head->status;
    for (size_t i = 0; i < head->header_count && at + 1 < sizeof(r->headers); i++) {
        int n = snprintf(r->headers + at, sizeof(r->headers) - at, "%.*s: %.*s\n",
                         (int)head->headers[i].name_len, head->headers[i].name,
                         (int)head->headers[i].value_len, head->headers[i].value);
        at += (size_t)n;
    }
}

static void reply_body(struct wr_http_call *call, const char *data, size_t len, void *user)
{
    struct reply *r = user;
    (void)call;
    CHECK_INT(wr_buf_append(&r->body, data, len), 0);
}

static void reply_end(struct wr_http_call *call, const struct wr_error *err, void *data)
{
    struct reply *r = data;
    (void)call;
    r->done = true;
    r->failed = err != NULL;
    if (err)
        printf("# request failed: %s\n", err->msg);
}

void live_add_headers(struct wr_http_call *call, const char *const *headers)
{
    wr_http_call_header(call, "Host", "agent");
    for (; headers && *headers; headers++) {
        const char *colon = strchr(*headers, ':');
        wr_http_call_header_n(call, *headers, (size_t)(colon - *headers), colon + 2,
                              strlen(colon + 2));
    }
}

/* Sends in pieces, as the connection takes them. */
static void send_body(struct live *live, struct reply *r, const char *body, size_t len)
{
    struct wr_error err;
    uint64_t end = wr_mono_ms() + LIVE_WAIT_MS;
    wr_http_call_stream(r->call, (int64_t)len);
    while (len > 0 && !r->done) {
        size_t n = WR_MIN(len, (size_t)65536);
        enum wr_http_flow flow = wr_http_call_write(r->call, body, n);
        body += n;
        len -= n;
        if (flow == WR_HTTP_GONE)
            return;
        CHECK_INT(wr_loop_step(live->loop, flow == WR_HTTP_FULL ? 100 : 0, &err), 0);
        while (flow == WR_HTTP_FULL && !r->done &&
               wr_http_call_write(r->call, "", 0) == WR_HTTP_FULL) {
            CHECK(wr_mono_ms() < end);
            CHECK_INT(wr_loop_step(live->loop, 100, &err), 0);
        }
    }
    if (!r->done)
        wr_http_call_end(r->call);
}

void live_send(struct live *live, struct reply *reply, const char *method, const char *target,
               const char *const *headers, const void *body, size_t len)
{
    static const struct wr_http_call_ops ops = {
        .on_head = reply_head, .on_body = reply_body, .on_end = reply_end};
    struct wr_error err;

    *reply = (struct reply){.body = WR_BUF(LIVE_BODY_MAX), .conn = live_connect(live)};
    CHECK_INT(wr_http_call_begin(reply->conn, method, target, &ops, reply, &reply->call, &err), 0);
    live_add_headers(reply->call, headers);
    if (len > 65536)
        send_body(live, reply, body, len);
    else
        wr_http_call_send(reply->call, body, len);
}

void live_wait_reply(struct live *live, struct reply *reply)
{
    struct wr_error err;
    uint64_t end = wr_mono_ms() + LIVE_WAIT_MS;
    while (!reply->done) {
        if (wr_mono_ms() > end)
            wr_test_fail(__FILE__, __LINE__, "no reply in time");
        CHECK_INT(wr_loop_step(live->loop, 100, &err), 0);
    }
}

void live_request(struct live *live, struct reply *reply, const char *method, const char *target,
                  const char *const *headers, const void *body, size_t len)
{
    live_send(live, reply, method, target, headers, body, len);
    live_wait_reply(live, reply);
    CHECK(wr_buf_cstr(&reply->body) != NULL);
}

void reply_done(struct reply *reply)
{
    wr_buf_done(&reply->body);
    reply->conn = wr_http_conn_free(reply->conn);
}

json_t *live_rpc(struct live *live, const char *path, json_t *request, int *ret_status)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct reply reply;
    char *text = json_dumps(request, JSON_COMPACT);
    CHECK(text != NULL);
    json_decref(request);
    live_request(live, &reply, "POST", path, headers, text, strlen(text));
    free(text);
    json_t *answer = json_loadb(wr_buf_ptr(&reply.body), reply.body.len, 0, NULL);
    *ret_status = reply.status;
    reply_done(&reply);
    return answer;
}

void live_expect(struct live *live, const char *path, json_t *request, const char *code)
{
    int status = 0;
    json_t *answer = live_rpc(live, path, request, &status);
    if (code)
        CHECK_STR(json_string_value(json_object_get(answer, "code")), code);
    else
        CHECK_INT(status, 200);
    json_decref(answer);
}
