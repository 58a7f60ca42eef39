/* Connections to the outside: addresses, names, SOCKS5 and HTTP proxies, over real sockets of a
 * network of the test's own, in which loopback is opened. The resolver is the test's. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "server/egress/handshake.h"
#include "server/egress/outbound.h"
#include "test.h"

/* ---- the resolver ---- */

static struct wr_resolve answer;   /* what it gives */
static char asked[300];            /* the name that was asked for last */
static struct wr_resolve *waiting; /* with `slow`, what was asked */
static bool slow;

void wr_resolver_start(struct wr_resolver *resolver, struct wr_resolve *resolve, const char *name,
                       enum wr_resolve_family family)
{
    (void)resolver;
    (void)family;
    CHECK(wr_strcopy(asked, sizeof asked, name));
    if (slow) {
        waiting = resolve;
        return;
    }
    resolve->outcome = answer.outcome;
    resolve->count = answer.count;
    resolve->blocked = answer.blocked;
    memcpy(resolve->addresses, answer.addresses, sizeof answer.addresses);
    resolve->fn(resolve);
}

void wr_resolve_cancel(struct wr_resolve *resolve)
{
    if (waiting == resolve)
        waiting = NULL;
}

static void answers(const char *first, const char *second)
{
    answer = (struct wr_resolve){.outcome = WR_RESOLVE_OK, .count = second ? 2 : 1};
    CHECK(wr_ip_parse(first, &answer.addresses[0]));
    CHECK(!second || wr_ip_parse(second, &answer.addresses[1]));
}

/* ---- what is tested ---- */

struct attempt {
    struct wr_outbound outbound;
    struct wr_loop *loop;
    struct wr_net_guard *guard;
    struct wr_net_policy *policy;
    unsigned calls;
    int fd;
    struct wr_error error;
};

static void on_outbound(struct wr_outbound *outbound, int fd, const struct wr_error *error)
{
    struct attempt *a = wr_container_of(outbound, struct attempt, outbound);

    a->calls++;
    a->fd = fd;
    CHECK((fd < 0) == (error != NULL));
    if (error)
        a->error = *error;
}

static struct attempt *prepare(const char *network, const char *open)
{
    static struct attempt a;
    struct wr_error error = {0};
    json_t *json = network ? json_loads(network, 0, NULL) : NULL;

    a = (struct attempt){.fd = -1};
    CHECK(!network || json);
    CHECK_INT(wr_loop_new(&a.loop, &error), 0);
    CHECK_INT(wr_guard_new(open, &a.guard, &error), 0);
    CHECK_INT(wr_net_policy_new(json, true, &a.policy, &error), 0);
    json_decref(json);
    a.outbound.fn = on_outbound;
    return &a;
}

static void start(struct attempt *a, const char *name, const char *address, uint16_t port)
{
    struct wr_outbound_target target = {.name = name, .port = port};

    CHECK(!address || wr_ip_parse(address, &target.address));
    wr_outbound_start(&a->outbound, a->loop, NULL, a->guard, a->policy, &target);
    /* Later, never from inside. */
    CHECK_INT(a->calls, 0);
}

static void finish(struct attempt *a)
{
    struct wr_error error = {0};

    for (int i = 0; i < 1000 && a->calls == 0; i++)
        CHECK_INT(wr_loop_step(a->loop, 10, &error), 0);
    CHECK_INT(a->calls, 1);
}

static void done(struct attempt *a)
{
    wr_outbound_cancel(&a->outbound);
    a->fd = wr_close(a->fd);
    a->policy = wr_net_policy_put(a->policy);
    a->guard = wr_guard_free(a->guard);
    a->loop = wr_loop_free(a->loop);
}

/* ---- the other side ---- */

static int listen_on(const char *address, uint16_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(*ret_port)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;

    CHECK(inet_pton(AF_INET, address, &at.sin_addr) == 1);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 8) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

/* What a proxy expects and answers, with lengths because of NUL bytes. */
struct step {
    const char *expect;
    size_t expect_len;
    const char *reply;
    size_t reply_len;
};
#define STEP(expected, replied)                                          \
    {                                                                    \
        (expected), sizeof(expected) - 1, (replied), sizeof(replied) - 1 \
    }

/* A proxy with one client, in a process of its own that ends with 0 when all was as expected.
 * `piece`: how many bytes it sends at a time. */
static pid_t proxy(const struct step *steps, size_t count, size_t piece, uint16_t *ret_port)
{
    *ret_port = 0;
    int listener = listen_on("127.0.0.1", ret_port);
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid > 0) {
        wr_close(listener);
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_IGN);
    int fd = accept(listener, NULL, NULL);
    char got[1024];
    for (size_t i = 0; i < count; i++) {
        if (wr_read_full(fd, got, steps[i].expect_len) != (ssize_t)steps[i].expect_len ||
            memcmp(got, steps[i].expect, steps[i].expect_len) != 0)
            _exit(1);
        for (size_t at = 0; at < steps[i].reply_len; at += piece) {
            size_t len = WR_MIN(piece, steps[i].reply_len - at);
            /* Whoever has heard enough leaves before the end. */
            if (wr_write_all(fd, steps[i].reply + at, len) < 0)
                _exit(0);
            if (piece < steps[i].reply_len)
                usleep(1000);
        }
    }
    /* Until the client leaves. */
    while (read(fd, got, sizeof got) > 0)
        continue;
    _exit(0);
}

static int exit_of(pid_t pid)
{
    int status = 0;

    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

/* What the server said first must be there, whole. */
static void expect_bytes(int fd, const char *text)
{
    char got[64] = "";

    CHECK_INT(wr_fd_set_nonblock(fd, false), 0);
    CHECK_INT(wr_read_full(fd, got, strlen(text)), (long long)strlen(text));
    CHECK_STR(got, text);
}

/* ---- directly ---- */

TEST(to_an_address)
{
    struct attempt *a = prepare(NULL, "127.0.0.0/8");
    uint16_t port = 0;
    int listener = listen_on("127.0.0.1", &port);

    start(a, NULL, "127.0.0.1", port);
    finish(a);
    CHECK(a->fd >= 0 && a->outbound.has_address);
    int peer = accept(listener, NULL, NULL);
    CHECK(wr_write_all(peer, "hello", 5) == 0);
    expect_bytes(a->fd, "hello");
    wr_close(peer);
    wr_close(listener);
    done(a);
}

TEST(the_guard_is_asked_right_before)
{
    struct attempt *a = prepare(NULL, NULL);

    start(a, NULL, "127.0.0.1", 80);
    finish(a);
    CHECK_INT(a->error.code, WR_E_PERMISSION_DENIED);
    CHECK(strstr(a->error.msg, "loopback"));
    done(a);
}

TEST(refused)
{
    struct attempt *a = prepare(NULL, "127.0.0.0/8");
    uint16_t port = 0;

    wr_close(listen_on("127.0.0.1", &port));
    start(a, NULL, "127.0.0.1", port);
    finish(a);
    CHECK_INT(a->error.code, WR_E_UNAVAILABLE);
    CHECK_INT(a->error.os_errno, ECONNREFUSED);
    CHECK(strstr(a->error.msg, "127.0.0.1"));
    done(a);
}

TEST(names_and_the_next_address)
{
    struct attempt *a = prepare(NULL, "127.0.0.0/8");
    uint16_t port = 0;
    int listener = listen_on("127.0.0.2", &port);

    answers("127.0.0.1", "127.0.0.2");
    start(a, "web.example", NULL, port);
    finish(a);
    CHECK(a->fd >= 0);
    CHECK_STR(asked, "web.example");
    char text[WR_IP_TEXT];
    wr_ip_format(&a->outbound.address, text);
    CHECK_STR(text, "127.0.0.2");
    wr_close(listener);
    done(a);
}

/* The name was allowed before anybody knew what it leads to. */
TEST(a_name_that_leads_inside_is_blocked)
{
    struct attempt *a = prepare(NULL, NULL);

    answers("10.0.0.1", "169.254.169.254");
    start(a, "rebind.example", NULL, 80);
    finish(a);
    CHECK_INT(a->error.code, WR_E_PERMISSION_DENIED);
    CHECK(strstr(a->error.msg, "metadata"));
    done(a);
}

TEST(a_name_that_leads_to_what_is_denied)
{
    struct attempt *a = prepare("{\"denyOut\":[\"203.0.113.0/24\"]}", NULL);

    answers("203.0.113.7", NULL);
    start(a, "web.example", NULL, 80);
    finish(a);
    CHECK_INT(a->error.code, WR_E_PERMISSION_DENIED);
    CHECK(strstr(a->error.msg, "denyOut[0]"));
    done(a);
}

TEST(names_that_have_no_address)
{
    static const struct {
        enum wr_resolve_outcome outcome;
        enum wr_code code;
    } rows[] = {
        {WR_RESOLVE_NO_NAME, WR_E_NOT_FOUND},
        {WR_RESOLVE_NO_DATA, WR_E_NOT_FOUND},
        {WR_RESOLVE_BLOCKED, WR_E_PERMISSION_DENIED},
        {WR_RESOLVE_FAILED, WR_E_UNAVAILABLE},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        struct attempt *a = prepare(NULL, NULL);
        answer = (struct wr_resolve){.outcome = rows[i].outcome, .blocked = "private"};
        start(a, "web.example", NULL, 80);
        finish(a);
        CHECK_INT(a->error.code, rows[i].code);
        done(a);
    }
}

TEST(canceling_while_a_name_is_resolved)
{
    struct attempt *a = prepare(NULL, NULL);

    slow = true;
    start(a, "web.example", NULL, 80);
    CHECK(waiting == &a->outbound.resolve);
    wr_outbound_cancel(&a->outbound);
    wr_outbound_cancel(&a->outbound);
    CHECK(!waiting);
    done(a);
    CHECK_INT(a->calls, 0);
}

TEST(canceling_a_failure_that_nobody_has_heard_of)
{
    struct attempt *a = prepare(NULL, NULL);
    struct wr_error error = {0};

    start(a, NULL, "127.0.0.1", 80);
    wr_outbound_cancel(&a->outbound);
    CHECK_INT(wr_loop_step(a->loop, 0, &error), 0);
    CHECK_INT(a->calls, 0);
    done(a);
}

/* ---- through proxies ---- */

static struct attempt *prepare_proxy(const char *scheme, uint16_t port, const char *more)
{
    char network[256];

    CHECK(wr_strformat(network, sizeof network,
                       "{\"egressProxy\":{\"address\":\"%s127.0.0.1:%u\"%s}}", scheme, port, more));
    return prepare(network, "127.0.0.0/8");
}

/* One dialogue, in one piece and byte by byte; `code` 0: the connection is made, and the server's
 * first bytes are "hi". */
static void through(const char *scheme, const char *more, const char *name, const char *address,
                    const struct step *steps, size_t count, enum wr_code code, const char *text)
{
    static const size_t pieces[] = {4096, 1};

    for (size_t i = 0; i < WR_ARRAY_SIZE(pieces); i++) {
        uint16_t port;
        pid_t pid = proxy(steps, count, pieces[i], &port);
        struct attempt *a = prepare_proxy(scheme, port, more);

        asked[0] = '\0';
        start(a, name, address, 443);
        finish(a);
        CHECK_STR(asked, "");
        CHECK_INT(a->error.code, code);
        if (code)
            CHECK(strstr(a->error.msg, text));
        else
            expect_bytes(a->fd, "hi");
        done(a);
        CHECK_INT(exit_of(pid), 0);
    }
}

#define SOCKS "socks5://"
#define USER  ",\"username\":\"bob\",\"password\":\"secret\""

TEST(socks_with_a_name)
{
    static const struct step steps[] = {
        STEP("\x05\x01\x00", "\x05\x00"),
        STEP("\x05\x01\x00\x03\x0bweb.example\x01\xbb",
             "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00hi"),
    };
    through(SOCKS, "", "web.example", NULL, steps, 2, WR_OK, "");
}

TEST(socks_with_addresses)
{
    static const struct step v4[] = {
        STEP("\x05\x01\x00", "\x05\x00"),
        STEP("\x05\x01\x00\x01\xcb\x00\x71\x05\x01\xbb", "\x05\x00\x00\x03\x04host\x00\x50hi"),
    };
    static const struct step v6[] = {
        STEP("\x05\x01\x00", "\x05\x00"),
        STEP("\x05\x01\x00\x04\x26\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05"
             "\x01\xbb",
             "\x05\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
             "\x50hi"),
    };
    through(SOCKS, "", NULL, "203.0.113.5", v4, 2, WR_OK, "");
    through(SOCKS, "", NULL, "2606::5", v6, 2, WR_OK, "");
}

TEST(socks_with_a_password)
{
    static const struct step steps[] = {
        STEP("\x05\x02\x00\x02", "\x05\x02"),
        STEP("\x01\x03"
             "bob\x06secret",
             "\x01\x00"),
        STEP("\x05\x01\x00\x03\x0bweb.example\x01\xbb",
             "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00hi"),
    };
    static const struct step refused[] = {
        STEP("\x05\x02\x00\x02", "\x05\x02"),
        STEP("\x01\x03"
             "bob\x06secret",
             "\x01\x01"),
    };
    through(SOCKS, USER, "web.example", NULL, steps, 3, WR_OK, "");
    through(SOCKS, USER, "web.example", NULL, refused, 2, WR_E_UNAVAILABLE, "password");
}

TEST(socks_answers_that_are_no)
{
    static const struct step methods[] = {STEP("\x05\x01\x00", "\x05\xff")};
    static const struct step unasked[] = {STEP("\x05\x01\x00", "\x05\x02")};
    static const struct step http[] = {STEP("\x05\x01\x00", "HTTP/1.1 400 Bad\r\n\r\n")};
    static const struct step refused[] = {
        STEP("\x05\x01\x00", "\x05\x00"),
        STEP("\x05\x01\x00\x03\x0bweb.example\x01\xbb", "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"),
    };
    static const struct step type[] = {
        STEP("\x05\x01\x00", "\x05\x00"),
        STEP("\x05\x01\x00\x03\x0bweb.example\x01\xbb", "\x05\x00\x00\x07\x00\x00\x00\x00\x00\x00"),
    };
    const char *name = "web.example";

    through(SOCKS, "", name, NULL, methods, 1, WR_E_UNAVAILABLE, "user name");
    through(SOCKS, "", name, NULL, unasked, 1, WR_E_UNAVAILABLE, "user name");
    through(SOCKS, "", name, NULL, http, 1, WR_E_UNAVAILABLE, "does not speak SOCKS5");
    through(SOCKS, "", name, NULL, refused, 2, WR_E_UNAVAILABLE, "connection refused");
    through(SOCKS, "", name, NULL, type, 2, WR_E_UNAVAILABLE, "does not speak SOCKS5");
}

TEST(http_connect)
{
    static const struct step plain[] = {
        STEP("CONNECT web.example:443 HTTP/1.1\r\nHost: web.example:443\r\n\r\n",
             "HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\nhi"),
    };
    static const struct step v6[] = {
        STEP("CONNECT [2606::5]:443 HTTP/1.1\r\nHost: [2606::5]:443\r\n\r\n",
             "HTTP/1.0 200 OK\r\n\r\nhi"),
    };
    static const struct step password[] = {
        STEP("CONNECT web.example:443 HTTP/1.1\r\nHost: web.example:443\r\n"
             "Proxy-Authorization: Basic Ym9iOnNlY3JldA==\r\n\r\n",
             "HTTP/1.1 204 Fine\r\n\r\nhi"),
    };
    through("http://", "", "web.example", NULL, plain, 1, WR_OK, "");
    through("http://", "", NULL, "2606::5", v6, 1, WR_OK, "");
    through("http://", USER, "web.example", NULL, password, 1, WR_OK, "");
}

TEST(http_connect_answers_that_are_no)
{
#define ASKED "CONNECT web.example:443 HTTP/1.1\r\nHost: web.example:443\r\n\r\n"
    static const struct step refused[] = {STEP(ASKED, "HTTP/1.1 403 Forbidden\r\n\r\n")};
    static const struct step credentials[] = {
        STEP(ASKED, "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\n\r\n")};
    static const struct step nonsense[] = {STEP(ASKED, "hello there, this is no HTTP\r\n\r\n")};
    const char *name = "web.example";

    through("http://", "", name, NULL, refused, 1, WR_E_UNAVAILABLE, "status 403");
    through("http://", "", name, NULL, credentials, 1, WR_E_UNAVAILABLE, "credentials");
    through("http://", "", name, NULL, nonsense, 1, WR_E_UNAVAILABLE, "malformed");
}

TEST(a_proxy_that_hangs_up)
{
    uint16_t port = 0;
    int listener = listen_on("127.0.0.1", &port);
    struct attempt *a = prepare_proxy(SOCKS, port, "");
    struct wr_error error = {0};

    start(a, "web.example", NULL, 443);
    for (int i = 0; i < 5; i++)
        CHECK_INT(wr_loop_step(a->loop, 5, &error), 0);
    int peer = accept(listener, NULL, NULL);
    char got[3];
    CHECK_INT(wr_read_full(peer, got, 3), 3);
    wr_close(peer);
    finish(a);
    CHECK_INT(a->error.code, WR_E_UNAVAILABLE);
    wr_close(listener);
    done(a);
}

/* The proxy is the creator's choice, but not a way into this host's own network; and behind it the
 * guard's ranges stay closed as well. */
TEST(the_guard_holds_for_proxies)
{
    struct attempt *a = prepare("{\"egressProxy\":{\"address\":\"socks5://10.0.0.1:1080\"}}", NULL);

    start(a, "web.example", NULL, 443);
    finish(a);
    CHECK_INT(a->error.code, WR_E_PERMISSION_DENIED);
    done(a);
    a = prepare_proxy(SOCKS, 1, "");
    start(a, NULL, "169.254.169.254", 80);
    finish(a);
    CHECK_INT(a->error.code, WR_E_PERMISSION_DENIED);
    done(a);
}

TEST(the_name_of_a_proxy_is_resolved)
{
    uint16_t port = 0;
    int listener = listen_on("127.0.0.1", &port);
    char network[128];
    struct wr_error error = {0};

    CHECK(wr_strformat(network, sizeof network,
                       "{\"egressProxy\":{\"address\":\"socks5://proxy.example:%u\"}}", port));
    struct attempt *a = prepare(network, "127.0.0.0/8");
    answers("127.0.0.1", NULL);
    start(a, "web.example", NULL, 443);
    CHECK_STR(asked, "proxy.example");
    for (int i = 0; i < 5; i++)
        CHECK_INT(wr_loop_step(a->loop, 5, &error), 0);
    int peer = accept(listener, NULL, NULL);
    CHECK(peer >= 0);
    wr_close(peer);
    wr_close(listener);
    done(a);
}
