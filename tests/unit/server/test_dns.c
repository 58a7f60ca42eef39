/* The DNS server of a sandbox, on sockets of 127.0.0.1 as the nest makes them: policy, groups,
 * record types, TCP, floods, and what the log says. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "dns_fixture.h"
#include "server/egress/dns.h"
#include "server/egress/dns_reader.h"

#define ID "aaaaaaaaaaaaaaaaaaaa"

static struct wr_loop *loop;
static struct wr_error err;
static struct wr_net_guard *guard;
static struct wr_resolver *resolver;
static struct fake_dns upstream;
static struct wr_net_policy *policy;
static struct wr_net_budget budget;
static struct wr_net_counters counters;
static struct wr_net_log *events;
static struct wr_net_groups *groups;
static struct wr_dns *dns;
static struct sockaddr_in address;
static int server_fd = -1, client_fd = -1;
static struct message question, got;

static void answer_by_name(struct fake_dns *s, const struct wr_dns_question *q, bool tcp,
                           struct message *m)
{
    (void)s;
    (void)tcp;
    if (wr_starts_with(q->name, "silent")) {
        m->len = 0;
    } else if (wr_ends_with(q->name, "rebind.test")) {
        message_address(m, NULL, "10.1.2.3", 60);
    } else if (wr_starts_with(q->name, "gone.")) {
        m->data[3] |= WR_DNS_NXDOMAIN;
    } else if (q->type == WR_DNS_MX) {
        message_alias(m, 0, NULL, WR_DNS_MX, 60, "mx.test");
    } else if (q->type == WR_DNS_A) {
        message_address(m, NULL, "198.51.100.1", 60);
        message_address(m, NULL, "198.51.100.2", 60);
    }
}

static struct wr_net_policy *make_policy(const char *json)
{
    struct wr_net_policy *made = NULL;
    json_t *network = json ? json_loads(json, 0, NULL) : NULL;

    CHECK_INT(wr_net_policy_new(network, true, &made, &err), 0);
    json_decref(network);
    return made;
}

static void setup(const char *network, uint32_t dns_per_s)
{
    const struct wr_net_limits limits = {
        .max_connections = 10, .new_per_s = 10, .dns_per_s = dns_per_s};
    const int one = 1;
    socklen_t len = sizeof address;

    (void)signal(SIGPIPE, SIG_IGN);
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    CHECK_INT(wr_guard_new(NULL, &guard, &err), 0);
    fake_dns_start(&upstream, loop, answer_by_name);
    CHECK_INT(wr_resolver_new(loop, upstream.setting, guard, &resolver, &err), 0);
    policy = make_policy(network);
    wr_net_budget_init(&budget, &limits, wr_mono_us());
    events = wr_net_log_new(ID, &counters);
    groups = wr_net_groups_new();
    CHECK(events && groups);
    address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    server_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(setsockopt(server_fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) == 0);
    /* Bound to any address: the answer has to come from the one that was asked. */
    CHECK(bind(server_fd, (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET},
               sizeof address) == 0);
    CHECK(getsockname(server_fd, (struct sockaddr *)&address, &len) == 0);
    CHECK(inet_pton(AF_INET, "127.5.6.7", &address.sin_addr) == 1);
    client_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(connect(client_fd, (struct sockaddr *)&address, sizeof address) == 0);
    const struct wr_dns_opts opts = {
        .loop = loop,
        .resolver = resolver,
        .budget = &budget,
        .log = events,
        .policy = &policy,
        .groups = groups,
        .sandbox_id = ID,
        .udp_fds = {server_fd, -1},
    };
    CHECK_INT(wr_dns_new(&opts, &dns, &err), 0);
}

static void teardown(void)
{
    dns = wr_dns_free(dns);
    CHECK_INT(wr_resolver_room(resolver), WR_RESOLVE_MAX_PENDING);
    resolver = wr_resolver_free(resolver);
    fake_dns_stop(&upstream);
    events = wr_net_log_free(events);
    groups = wr_net_groups_free(groups);
    policy = wr_net_policy_put(policy);
    guard = wr_guard_free(guard);
    loop = wr_loop_free(loop);
    server_fd = wr_close(server_fd);
    client_fd = wr_close(client_fd);
}

static void step(void)
{
    CHECK_INT(wr_loop_step(loop, 100, &err), 0);
}

static void send_question(const char *name, uint16_t type)
{
    message_begin(&question, 4711, DNS_RD, name, type);
    CHECK(send(client_fd, question.data, question.len, 0) == (ssize_t)question.len);
}

/* Lets the loop run until an answer is there; its rcode. */
static int receive(void)
{
    uint64_t end = wr_mono_ms() + 30000;
    ssize_t n;

    while ((n = recv(client_fd, got.data, sizeof got.data, 0)) < 0) {
        CHECK_INT(errno, EAGAIN);
        CHECK(wr_mono_ms() < end);
        step();
    }
    got.len = (size_t)n;
    CHECK(n >= WR_DNS_HEADER);
    CHECK_INT(wr_dns_get16(got.data), 4711);
    return got.data[3] & 0xf;
}

static int ask(const char *name, uint16_t type)
{
    send_question(name, type);
    return receive();
}

static size_t answers(void)
{
    return wr_dns_get16(got.data + 6);
}

static struct wr_net_event last_event(void)
{
    const struct wr_net_event *event = wr_net_log_next(events, wr_net_log_last(events) - 1);

    CHECK(event != NULL);
    return *event;
}

static void check_event(enum wr_net_verdict verdict, const char *rule, const char *detail)
{
    struct wr_net_event event = last_event();

    CHECK_INT(event.kind, WR_NET_EVENT_DNS);
    CHECK_INT(event.verdict, verdict);
    CHECK_STR(event.detail, detail);
    if (!strstr(event.rule, rule))
        CHECK_STR(event.rule, rule);
}

TEST(address_with_its_event)
{
    setup(NULL, 100);
    CHECK_INT(ask("wWw.Test", WR_DNS_A), WR_DNS_NOERROR);
    CHECK_INT(answers(), 2);
    CHECK(memcmp(got.data + 12, "\3wWw\4Test", 10) == 0);
    check_event(WR_NET_ALLOW, "default", "A -> 198.51.100.1 +1");
    CHECK_STR(last_event().name, "www.test");
    CHECK_INT(ask("www.test", WR_DNS_AAAA), WR_DNS_NOERROR);
    CHECK_INT(answers(), 0);
    check_event(WR_NET_ALLOW, "default", "AAAA -> no data");
    CHECK_INT(ask("gone.test", WR_DNS_A), WR_DNS_NXDOMAIN);
    check_event(WR_NET_ALLOW, "default", "A -> NXDOMAIN");
    CHECK_INT(counters.names_allowed, 3);
    teardown();
}

TEST(names_that_the_policy_forbids)
{
    setup("{\"allowOut\":[\"*.good.test\"],\"denyOut\":[\"0.0.0.0/0\"]}", 100);
    CHECK_INT(ask("bad.test", WR_DNS_A), WR_DNS_REFUSED);
    check_event(WR_NET_DENY, "denyOut[0]", "A -> REFUSED");
    CHECK_INT(upstream.asked, 0); /* nothing left the machine */
    CHECK_INT(ask("a.good.test", WR_DNS_A), WR_DNS_NOERROR);
    CHECK_INT(answers(), 2);
    check_event(WR_NET_ALLOW, "allowOut[0] *.good.test", "A -> 198.51.100.1 +1");
    CHECK_INT(ask("a.good.test", WR_DNS_TXT), WR_DNS_NOERROR);
    CHECK_INT(answers(), 0);
    check_event(WR_NET_DENY, "record type", "TXT -> no data");
    CHECK_INT(upstream.asked, 1);
    CHECK_INT(counters.names_denied, 2);
    teardown();
}

TEST(record_types)
{
    static const uint16_t refused[] = {WR_DNS_NULL, WR_DNS_ANY, WR_DNS_AXFR, WR_DNS_IXFR,
                                       0,           11,         65280,       48};

    setup(NULL, 100);
    for (size_t i = 0; i < WR_ARRAY_SIZE(refused); i++) {
        CHECK_INT(ask("a.test", refused[i]), WR_DNS_REFUSED);
        CHECK_STR(last_event().rule, "record type");
        CHECK_INT(last_event().verdict, WR_NET_DENY);
    }
    message_begin(&question, 4711, 0, "version.bind", WR_DNS_TXT);
    question.data[question.len - 1] = 3; /* class CH */
    CHECK(send(client_fd, question.data, question.len, 0) > 0);
    CHECK_INT(receive(), WR_DNS_REFUSED);
    CHECK_INT(upstream.asked, 0);
    CHECK_INT(ask("a.test", WR_DNS_MX), WR_DNS_NOERROR);
    CHECK_INT(answers(), 1);
    check_event(WR_NET_ALLOW, "default", "MX -> 1 records");
    CHECK_INT(ask("a.test", WR_DNS_TXT), WR_DNS_NOERROR);
    CHECK_INT(answers(), 0);
    CHECK_INT(upstream.asked, 2);
    teardown();
}

TEST(rebinding)
{
    setup(NULL, 100);
    CHECK_INT(ask("rebind.test", WR_DNS_A), WR_DNS_NOERROR);
    CHECK_INT(answers(), 0);
    check_event(WR_NET_DENY, "blocked: ", "A -> no data");
    CHECK(strstr(last_event().rule, "10.0.0.0/8"));
    CHECK_INT(ask("x.rebind.test", WR_DNS_TXT), WR_DNS_NOERROR); /* an address comes along */
    CHECK_INT(answers(), 0);
    check_event(WR_NET_DENY, "blocked: ", "TXT -> no data");
    teardown();
}

TEST(reverse_names)
{
    setup(NULL, 100);
    CHECK_INT(ask("1.0.0.10.in-addr.arpa", WR_DNS_PTR), WR_DNS_NXDOMAIN);
    check_event(WR_NET_DENY, "blocked: ", "PTR -> NXDOMAIN");
    CHECK_INT(ask("10.in-addr.arpa", WR_DNS_NS), WR_DNS_NXDOMAIN);
    CHECK_INT(upstream.asked, 0);
    CHECK_INT(ask("1.0.0.8.in-addr.arpa", WR_DNS_PTR), WR_DNS_NOERROR);
    CHECK_INT(upstream.asked, 1);
    teardown();
}

TEST(names_of_the_group)
{
    setup("{\"group\":\"g\",\"hostname\":\"me\"}", 100);
    CHECK_INT(ask("metadata.google.internal", WR_DNS_A), WR_DNS_NXDOMAIN);
    CHECK_INT(ask("internal", WR_DNS_A), WR_DNS_NXDOMAIN);
    check_event(WR_NET_DENY, "no such member", "A -> NXDOMAIN");
    CHECK_INT(upstream.asked, 0); /* names of the host's network stay there */
    teardown();
}

TEST(malformed_questions)
{
    setup(NULL, 100);
    message_begin(&question, 4711, 0, "a.test", WR_DNS_A);
    CHECK(send(client_fd, question.data, question.len - 1, 0) > 0);
    CHECK_INT(receive(), WR_DNS_FORMERR);
    check_event(WR_NET_DENY, "malformed question", "23 bytes -> FORMERR");
    static unsigned char large[9000];
    memcpy(large, question.data, question.len);
    CHECK(send(client_fd, large, sizeof large, 0) > 0);
    CHECK_INT(receive(), WR_DNS_FORMERR);
    question.data[2] |= 0x80; /* an answer gets none */
    CHECK(send(client_fd, question.data, question.len, 0) > 0);
    CHECK(send(client_fd, "x", 1, 0) > 0);
    CHECK(send(client_fd, "", 0, 0) == 0);
    CHECK_INT(ask("b.test", WR_DNS_A), WR_DNS_NOERROR);
    CHECK(recv(client_fd, got.data, sizeof got.data, 0) < 0);
    teardown();
}

TEST(change_of_policy_reaches_what_is_under_way)
{
    setup(NULL, 100);
    send_question("a.test", WR_DNS_A);
    while (upstream.asked == 0)
        step();
    struct wr_net_policy *old = policy;
    policy = make_policy("{\"denyOut\":[\"0.0.0.0/0\"]}");
    (void)wr_net_policy_put(old);
    CHECK_INT(receive(), WR_DNS_REFUSED);
    check_event(WR_NET_DENY, "denyOut[0]", "A -> REFUSED");
    teardown();
}

TEST(flood)
{
    unsigned answered = 0, sent = 0;

    setup(NULL, 20);
    uint64_t begin = wr_mono_ms();
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < 50; i++) {
            message_begin(&question, 4711, DNS_RD, "a.test", WR_DNS_A);
            sent += send(client_fd, question.data, question.len, 0) > 0;
        }
        CHECK_INT(wr_loop_step(loop, 0, &err), 0);
        while (recv(client_fd, got.data, sizeof got.data, 0) > 0)
            answered++;
    }
    uint64_t seconds = (wr_mono_ms() - begin) / 1000 + 1;
    CHECK(sent > 1000);
    CHECK(answered > 0 && answered <= 40 + 20 * seconds);
    CHECK(wr_net_log_last(events) <= 42 * (seconds + 1));
    bool told = false;
    for (uint64_t at = 0; at < wr_net_log_last(events);) {
        const struct wr_net_event *event = wr_net_log_next(events, at);
        CHECK(event != NULL);
        at = event->number;
        told = told || wr_streq(event->rule, "question rate");
    }
    CHECK(told);
    /* The budget comes back. */
    uint64_t end = wr_mono_ms() + 30000;
    unsigned before = answered;
    while (answered < before + 10) {
        CHECK(wr_mono_ms() < end);
        step();
        while (recv(client_fd, got.data, sizeof got.data, 0) > 0)
            answered++;
    }
    teardown();
}

TEST(events_that_are_not_listed_are_counted)
{
    setup(NULL, 10000);
    uint64_t begin = wr_mono_ms();
    for (unsigned i = 0; i < 100; i++)
        CHECK_INT(ask("a.test", WR_DNS_NULL), WR_DNS_REFUSED);
    /* A line about the second before comes on top. */
    uint64_t seconds = (wr_mono_ms() - begin) / 1000 + 1;
    CHECK(wr_net_log_last(events) <= 41 * (seconds + 1));
    CHECK(counters.names_denied >= 100 && counters.names_denied <= 100 + seconds);
    teardown();
}

TEST(bound_on_what_is_under_way)
{
    char name[32];
    unsigned refused = 0;

    setup(NULL, 10000);
    for (unsigned i = 0; i < WR_DNS_MAX_PENDING + 10; i++) {
        (void)snprintf(name, sizeof name, "silent%u.test", i);
        send_question(name, WR_DNS_A);
        step();
    }
    while (refused < 10) {
        CHECK_INT(receive(), WR_DNS_SERVFAIL);
        refused++;
    }
    check_event(WR_NET_DENY, "too many questions under way", "A -> SERVFAIL");
    CHECK_INT(counters.names_denied, 10);
    CHECK_INT(wr_resolver_room(resolver), WR_RESOLVE_MAX_PENDING - WR_DNS_MAX_PENDING);
    teardown();
}

static void never(struct wr_resolve *resolve)
{
    (void)resolve;
    CHECK(false);
}

TEST(one_sandbox_leaves_room_for_others)
{
    static struct wr_resolve others[WR_RESOLVE_MAX_PENDING - 32];
    char name[32];

    setup(NULL, 10000);
    for (size_t i = 0; i < WR_ARRAY_SIZE(others); i++) {
        others[i].fn = never;
        (void)snprintf(name, sizeof name, "silent-other%zu.test", i);
        wr_resolver_start(resolver, &others[i], name, WR_RESOLVE_V4);
    }
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof name, "silent%u.test", i);
        send_question(name, WR_DNS_A);
    }
    for (unsigned i = 0; i < 24; i++)
        CHECK_INT(receive(), WR_DNS_SERVFAIL);
    CHECK_INT(wr_resolver_room(resolver), 16);
    for (size_t i = 0; i < WR_ARRAY_SIZE(others); i++)
        wr_resolve_cancel(&others[i]);
    teardown();
}

/* ---- TCP ---- */

static int connect_tcp(void)
{
    int fds[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    wr_dns_serve(dns, fds[1]);
    return fds[0];
}

static void send_tcp(int fd, const char *name, uint16_t type)
{
    message_begin(&question, 4711, DNS_RD, name, type);
    const unsigned char length[] = {0, (unsigned char)question.len};
    CHECK(send(fd, length, 2, 0) == 2);
    CHECK(send(fd, question.data, question.len, 0) == (ssize_t)question.len);
}

static size_t read_tcp(int fd, unsigned char *out, size_t len)
{
    uint64_t end = wr_mono_ms() + 30000;
    size_t have = 0;

    while (have < len) {
        ssize_t n = recv(fd, out + have, len - have, 0);
        CHECK(wr_mono_ms() < end);
        if (n == 0)
            break;
        if (n > 0)
            have += (size_t)n;
        else
            step();
    }
    return have;
}

static int receive_tcp(int fd)
{
    unsigned char length[2];

    CHECK_INT(read_tcp(fd, length, 2), 2);
    got.len = wr_dns_get16(length);
    CHECK_INT(read_tcp(fd, got.data, got.len), got.len);
    return got.data[3] & 0xf;
}

TEST(several_questions_on_one_connection)
{
    setup(NULL, 100);
    int fd = connect_tcp();
    send_tcp(fd, "a.test", WR_DNS_A);
    send_tcp(fd, "gone.test", WR_DNS_A);
    send_tcp(fd, "b.test", WR_DNS_NULL);
    CHECK_INT(receive_tcp(fd), WR_DNS_NOERROR);
    CHECK_INT(answers(), 2);
    CHECK_INT(receive_tcp(fd), WR_DNS_NXDOMAIN);
    CHECK_INT(receive_tcp(fd), WR_DNS_REFUSED);
    send_tcp(fd, "c.test", WR_DNS_A);
    CHECK(shutdown(fd, SHUT_WR) == 0); /* says no more, and still gets its answer */
    CHECK_INT(receive_tcp(fd), WR_DNS_NOERROR);
    CHECK_INT(read_tcp(fd, got.data, 1), 0);
    (void)wr_close(fd);
    teardown();
}

TEST(connections_that_are_closed)
{
    static const char *const bad[] = {"\0\0x", "\2\1x", "\377\377x"};

    setup(NULL, 100);
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        int fd = connect_tcp();
        CHECK(send(fd, bad[i], 3, 0) == 3);
        CHECK_INT(read_tcp(fd, got.data, 1), 0);
        CHECK_STR(last_event().rule, "malformed question");
        (void)wr_close(fd);
    }
    int fds[WR_DNS_MAX_TCP];
    for (size_t i = 0; i < WR_DNS_MAX_TCP; i++)
        fds[i] = connect_tcp();
    int fd = connect_tcp();
    CHECK_INT(read_tcp(fd, got.data, 1), 0);
    CHECK_STR(last_event().rule, "connections to port 53");
    (void)wr_close(fd);
    send_tcp(fds[0], "a.test", WR_DNS_A);
    CHECK_INT(receive_tcp(fds[0]), WR_DNS_NOERROR);
    for (size_t i = 0; i < WR_DNS_MAX_TCP; i++)
        (void)wr_close(fds[i]);
    for (unsigned i = 0; i < 20; i++)
        CHECK_INT(wr_loop_step(loop, 0, &err), 0);
    fd = connect_tcp(); /* there is room again */
    send_tcp(fd, "a.test", WR_DNS_A);
    CHECK_INT(receive_tcp(fd), WR_DNS_NOERROR);
    (void)wr_close(fd);
    teardown();
}

TEST(connection_that_leaves_while_it_is_answered)
{
    setup(NULL, 100);
    int fd = connect_tcp();
    send_tcp(fd, "silent.test", WR_DNS_A);
    while (upstream.asked == 0)
        step();
    (void)wr_close(fd);
    while (wr_resolver_room(resolver) < WR_RESOLVE_MAX_PENDING)
        step();
    fd = connect_tcp();
    send_tcp(fd, "silent.test", WR_DNS_A);
    while (upstream.asked == 1)
        step();
    teardown(); /* with a question under way */
    (void)wr_close(fd);
}

TEST(flood_by_tcp)
{
    unsigned answered = 0;

    setup(NULL, 20);
    int fd = connect_tcp();
    uint64_t begin = wr_mono_ms();
    while (answered < 60) {
        send_tcp(fd, "a.test", WR_DNS_A);
        (void)receive_tcp(fd);
        answered++;
    }
    /* 40 at once, the others by 20 in a second. */
    CHECK(wr_mono_ms() - begin >= 900);
    (void)wr_close(fd);
    teardown();
}
