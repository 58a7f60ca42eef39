/* The resolver against a DNS server that does what the name in the question says. */
#include <signal.h>

#include "base/clock.h"
#include "base/str.h"
#include "dns_fixture.h"
#include "server/egress/resolver.h"

static struct wr_loop *loop;
static struct wr_error err;
static struct wr_net_guard *guard;
static struct wr_resolver *resolver;
static struct fake_dns server;
static unsigned done;

static void answer_by_name(struct fake_dns *s, const struct wr_dns_question *q, bool tcp,
                           struct message *m)
{
    const bool v4 = q->type == WR_DNS_A;

    if (wr_streq(q->name, "both.test")) {
        message_address(m, NULL, v4 ? "127.0.0.1" : "::1", 60);
        if (v4)
            message_address(m, NULL, "127.0.0.2", 50);
    } else if (wr_streq(q->name, "alias.test")) {
        message_alias(m, 0, NULL, WR_DNS_CNAME, 60, "target.test");
        message_address(m, "target.test", v4 ? "127.0.0.3" : "::1", 60);
    } else if (wr_streq(q->name, "public.test")) {
        message_address(m, NULL, v4 ? "198.51.100.7" : "::1", 60);
    } else if (wr_streq(q->name, "rebind.test")) {
        message_address(m, NULL, v4 ? "169.254.169.254" : "fe80::1", 60);
    } else if (wr_streq(q->name, "mixed.test")) {
        message_address(m, NULL, v4 ? "10.0.0.1" : "::1", 60);
        message_address(m, NULL, v4 ? "198.51.100.8" : "::1", 60);
    } else if (wr_streq(q->name, "large.test")) {
        m->data[2] |= tcp ? 0 : DNS_TC >> 8;
        if (tcp)
            message_address(m, NULL, "127.0.0.4", 60);
    } else if (wr_streq(q->name, "gone.test")) {
        m->data[3] |= WR_DNS_NXDOMAIN;
    } else if (wr_streq(q->name, "broken.test")) {
        m->data[3] |= WR_DNS_SERVFAIL;
    } else if (wr_streq(q->name, "liar.test")) {
        message_address(m, NULL, "127.0.0.5", 60);
        m->data[m->len - 5] = 200; /* RDLENGTH */
    } else if (wr_streq(q->name, "forger.test")) {
        message_address(m, NULL, "127.0.0.6", 60);
        m->data[0] ^= 0xff;
    } else if (wr_streq(q->name, "lost.test") && s->asked == 1) {
        m->len = 0;
    } else if (wr_streq(q->name, "lost.test")) {
        message_address(m, NULL, "127.0.0.7", 60);
    } else if (wr_streq(q->name, "silent.test")) {
        m->len = 0;
    } else if (wr_streq(q->name, "mail.test") && q->type == WR_DNS_MX) {
        message_alias(m, 0, NULL, WR_DNS_MX, 60, "mx.test");
    }
}

static void setup(const char *open)
{
    (void)signal(SIGPIPE, SIG_IGN);
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    CHECK_INT(wr_guard_new(open, &guard, &err), 0);
    fake_dns_start(&server, loop, answer_by_name);
    CHECK_INT(wr_resolver_new(loop, server.setting, guard, &resolver, &err), 0);
    done = 0;
}

static void teardown(void)
{
    resolver = wr_resolver_free(resolver);
    fake_dns_stop(&server);
    guard = wr_guard_free(guard);
    loop = wr_loop_free(loop);
}

static void on_done(struct wr_resolve *resolve)
{
    (void)resolve;
    done++;
}

static void wait_for(unsigned count)
{
    uint64_t end = wr_mono_ms() + 30000;

    while (done < count) {
        CHECK(wr_mono_ms() < end);
        CHECK_INT(wr_loop_step(loop, 1000, &err), 0);
    }
}

static struct wr_resolve resolve(const char *name, enum wr_resolve_family family)
{
    struct wr_resolve r = {.fn = on_done};
    unsigned before = done;

    wr_resolver_start(resolver, &r, name, family);
    wait_for(before + 1);
    CHECK_INT(done, before + 1);
    CHECK_INT(wr_resolver_room(resolver), WR_RESOLVE_MAX_PENDING);
    return r;
}

static void check_address(const struct wr_resolve *r, size_t i, const char *expected)
{
    char text[WR_IP_TEXT];

    CHECK(i < r->count);
    wr_ip_format(&r->addresses[i], text);
    CHECK_STR(text, expected);
}

TEST(both_families_ipv4_first)
{
    setup("127.0.0.0/8,::1");
    struct wr_resolve r = resolve("both.test", WR_RESOLVE_BOTH);
    CHECK_INT(r.outcome, WR_RESOLVE_OK);
    CHECK_INT(r.count, 3);
    check_address(&r, 0, "127.0.0.1");
    check_address(&r, 1, "127.0.0.2");
    check_address(&r, 2, "::1");
    CHECK(r.ttl_s >= 1 && r.ttl_s <= 50);
    teardown();
}

TEST(one_family_and_the_cache)
{
    setup("127.0.0.0/8,::1");
    struct wr_resolve r = resolve("Both.TEST", WR_RESOLVE_V4);
    CHECK_INT(r.count, 2);
    CHECK_INT(server.asked, 1);
    r = resolve("both.test", WR_RESOLVE_V4);
    CHECK_INT(r.count, 2);
    CHECK_INT(server.asked, 1);
    r = resolve("both.test", WR_RESOLVE_V6);
    CHECK_INT(r.count, 1);
    check_address(&r, 0, "::1");
    CHECK_INT(server.asked, 2);
    teardown();
}

TEST(alias)
{
    setup("127.0.0.0/8,::1");
    struct wr_resolve r = resolve("alias.test", WR_RESOLVE_V4);
    CHECK_INT(r.outcome, WR_RESOLVE_OK);
    check_address(&r, 0, "127.0.0.3");
    teardown();
}

TEST(truncated_answer_comes_by_tcp)
{
    setup("127.0.0.0/8");
    struct wr_resolve r = resolve("large.test", WR_RESOLVE_V4);
    CHECK_INT(r.outcome, WR_RESOLVE_OK);
    check_address(&r, 0, "127.0.0.4");
    CHECK_INT(server.asked_tcp, 1);
    teardown();
}

TEST(no_such_name_and_no_such_record)
{
    setup(NULL);
    CHECK_INT(resolve("gone.test", WR_RESOLVE_BOTH).outcome, WR_RESOLVE_NO_NAME);
    CHECK_INT(resolve("empty.test", WR_RESOLVE_BOTH).outcome, WR_RESOLVE_NO_DATA);
    unsigned asked = server.asked;
    CHECK_INT(resolve("gone.test", WR_RESOLVE_V4).outcome, WR_RESOLVE_NO_NAME);
    CHECK_INT(server.asked, asked); /* kept for a moment */
    teardown();
}

TEST(rebinding)
{
    setup(NULL);
    struct wr_resolve r = resolve("rebind.test", WR_RESOLVE_V4);
    CHECK_INT(r.outcome, WR_RESOLVE_BLOCKED);
    CHECK_INT(r.count, 0);
    CHECK(r.blocked && strstr(r.blocked, "169.254"));
    CHECK_INT(resolve("rebind.test", WR_RESOLVE_V6).outcome, WR_RESOLVE_BLOCKED);
    CHECK_INT(resolve("rebind.test", WR_RESOLVE_BOTH).outcome, WR_RESOLVE_BLOCKED);
    r = resolve("mixed.test", WR_RESOLVE_BOTH); /* what is open remains */
    CHECK_INT(r.outcome, WR_RESOLVE_OK);
    CHECK_INT(r.count, 1);
    check_address(&r, 0, "198.51.100.8");
    teardown();
}

TEST(answers_that_are_no_good)
{
    setup("127.0.0.0/8");
    CHECK_INT(resolve("liar.test", WR_RESOLVE_V4).outcome, WR_RESOLVE_FAILED);
    CHECK_INT(resolve("broken.test", WR_RESOLVE_V4).outcome, WR_RESOLVE_FAILED);
    unsigned asked = server.asked;
    CHECK_INT(resolve("broken.test", WR_RESOLVE_V4).outcome, WR_RESOLVE_FAILED);
    CHECK_INT(server.asked, asked); /* nobody asks again at once */
    CHECK_INT(resolve("not a name", WR_RESOLVE_V4).outcome, WR_RESOLVE_FAILED);
    CHECK_INT(resolve("", WR_RESOLVE_V4).outcome, WR_RESOLVE_FAILED);
    CHECK_INT(server.asked, asked);
    teardown();
}

TEST(lost_question_is_asked_again)
{
    setup("127.0.0.0/8");
    struct wr_resolve r = resolve("lost.test", WR_RESOLVE_V4);
    CHECK_INT(r.outcome, WR_RESOLVE_OK);
    check_address(&r, 0, "127.0.0.7");
    CHECK_INT(server.asked, 2);
    teardown();
}

TEST(silence_and_wrong_ids_hold_up_nobody)
{
    struct wr_resolve silent = {.fn = on_done}, forged = {.fn = on_done}, fine = {.fn = on_done};

    setup("127.0.0.0/8");
    wr_resolver_start(resolver, &silent, "silent.test", WR_RESOLVE_V4);
    wr_resolver_start(resolver, &forged, "forger.test", WR_RESOLVE_V4);
    wr_resolver_start(resolver, &fine, "both.test", WR_RESOLVE_V4);
    wait_for(1);
    CHECK_INT(fine.outcome, WR_RESOLVE_OK);
    CHECK_INT(fine.count, 2);
    wait_for(3);
    CHECK_INT(silent.outcome, WR_RESOLVE_FAILED);
    CHECK_INT(forged.outcome, WR_RESOLVE_FAILED);
    CHECK_INT(wr_resolver_room(resolver), WR_RESOLVE_MAX_PENDING);
    teardown();
}

TEST(nobody_listens)
{
    setup(NULL);
    fake_dns_stop(&server);
    CHECK_INT(resolve("both.test", WR_RESOLVE_BOTH).outcome, WR_RESOLVE_FAILED);
    fake_dns_start(&server, loop, answer_by_name);
    teardown();
}

TEST(equal_questions_are_asked_once)
{
    struct wr_resolve many[20];

    setup("127.0.0.0/8,::1");
    memset(many, 0, sizeof many);
    for (size_t i = 0; i < WR_ARRAY_SIZE(many); i++) {
        many[i].fn = on_done;
        wr_resolver_start(resolver, &many[i], "both.test", WR_RESOLVE_BOTH);
    }
    CHECK_INT(wr_resolver_room(resolver), WR_RESOLVE_MAX_PENDING - 2);
    wr_resolve_cancel(&many[3]);
    wr_resolve_cancel(&many[3]);
    wait_for(WR_ARRAY_SIZE(many) - 1);
    CHECK_INT(server.asked, 2);
    CHECK_INT(many[0].count, 3);
    CHECK_INT(many[19].count, 3);
    CHECK_INT(many[3].count, 0);
    teardown();
}

TEST(cancelled_question_leaves_nothing)
{
    struct wr_resolve r = {.fn = on_done}, other = {.fn = on_done};

    setup("127.0.0.0/8");
    wr_resolver_start(resolver, &r, "both.test", WR_RESOLVE_BOTH);
    wr_resolver_start(resolver, &other, "both.test", WR_RESOLVE_V4);
    wr_resolve_cancel(&r);
    CHECK_INT(wr_resolver_room(resolver), WR_RESOLVE_MAX_PENDING - 1);
    wr_resolve_cancel(&other);
    CHECK_INT(wr_resolver_room(resolver), WR_RESOLVE_MAX_PENDING);
    for (unsigned i = 0; i < 5; i++)
        CHECK_INT(wr_loop_step(loop, 10, &err), 0);
    CHECK_INT(done, 0);
    teardown();
}

static struct wr_resolve chained[3];

/* Cancels a neighbour that waits for the same answer, and asks anew. */
static void on_chained(struct wr_resolve *r)
{
    done++;
    wr_resolve_cancel(&chained[1]);
    chained[2] = (struct wr_resolve){.fn = on_done};
    wr_resolver_start(resolver, &chained[2], "alias.test", WR_RESOLVE_V4);
    CHECK_INT(r->count, 2);
}

TEST(callbacks_may_cancel_and_start)
{
    setup("127.0.0.0/8");
    chained[0] = (struct wr_resolve){.fn = on_chained};
    chained[1] = (struct wr_resolve){.fn = on_done};
    wr_resolver_start(resolver, &chained[0], "both.test", WR_RESOLVE_V4);
    wr_resolver_start(resolver, &chained[1], "both.test", WR_RESOLVE_V4);
    wait_for(2);
    CHECK_INT(chained[2].count, 1);
    CHECK_INT(chained[1].count, 0);
    teardown();
}

TEST(bound_on_what_is_under_way)
{
    static struct wr_resolve many[WR_RESOLVE_MAX_PENDING + 1];
    char name[32];

    setup(NULL);
    for (size_t i = 0; i < WR_ARRAY_SIZE(many); i++) {
        many[i].fn = on_done;
        (void)snprintf(name, sizeof name, "n%zu.test", i);
        wr_resolver_start(resolver, &many[i], name, WR_RESOLVE_V4);
        CHECK_INT(done, i == WR_RESOLVE_MAX_PENDING);
    }
    CHECK_INT(many[WR_RESOLVE_MAX_PENDING].outcome, WR_RESOLVE_FAILED);
    CHECK_INT(wr_resolver_room(resolver), 0);
    teardown(); /* ends all of them without a call */
    CHECK_INT(done, 1);
}

/* Whoever may resolve what never answers shuts out nobody. */
TEST(bound_on_what_one_asker_has_under_way)
{
    static struct wr_resolve many[WR_RESOLVE_MAX_OF_ONE + 1], others[WR_RESOLVE_MAX_PENDING];
    static const char askers[WR_RESOLVE_MAX_PENDING];
    struct wr_resolve joined = {.fn = on_done, .asker = &askers[0]};
    char name[32];

    setup(NULL);
    for (size_t i = 0; i < WR_ARRAY_SIZE(many); i++) {
        many[i].fn = on_done;
        many[i].asker = &askers[0];
        (void)snprintf(name, sizeof name, "n%zu.test", i);
        wr_resolver_start(resolver, &many[i], name, WR_RESOLVE_V4);
        CHECK_INT(done, i == WR_RESOLVE_MAX_OF_ONE);
    }
    CHECK_INT(many[WR_RESOLVE_MAX_OF_ONE].outcome, WR_RESOLVE_FAILED);
    /* A question that is under way costs nothing. */
    wr_resolver_start(resolver, &joined, "n0.test", WR_RESOLVE_V4);
    CHECK_INT(done, 1);
    /* Any number of greedy ones leave room for the next. */
    for (size_t i = 0; i < WR_ARRAY_SIZE(others); i++) {
        others[i].fn = on_done;
        others[i].asker = &askers[1 + i % 20];
        (void)snprintf(name, sizeof name, "o%zu.test", i);
        wr_resolver_start(resolver, &others[i], name, WR_RESOLVE_V4);
    }
    CHECK(wr_resolver_room(resolver) > 0);
    wr_resolve_cancel(&joined);
    teardown();
}

/* ---- other types ---- */

static size_t raw_len;

static void on_raw(struct wr_resolve_raw *raw, const unsigned char *answer, size_t len)
{
    (void)raw;
    done++;
    raw_len = answer ? len : 0;
}

static size_t ask_raw(const char *name, uint16_t type)
{
    struct wr_resolve_raw raw = {.fn = on_raw};
    unsigned before = done;

    wr_resolver_start_raw(resolver, &raw, name, type);
    wait_for(before + 1);
    CHECK_INT(wr_resolver_room(resolver), WR_RESOLVE_MAX_PENDING);
    return raw_len;
}

TEST(questions_of_other_types)
{
    struct wr_resolve_raw raw = {.fn = on_raw};

    setup("127.0.0.0/8");
    CHECK(ask_raw("mail.test", WR_DNS_MX) > WR_DNS_HEADER);
    CHECK(ask_raw("mail.test", WR_DNS_MX) > WR_DNS_HEADER);
    CHECK_INT(server.asked, 2); /* not cached */
    CHECK_INT(ask_raw("liar.test", WR_DNS_A), 0);
    CHECK_INT(ask_raw("not a name", WR_DNS_MX), 0);
    wr_resolver_start_raw(resolver, &raw, "silent.test", WR_DNS_MX);
    CHECK_INT(wr_resolver_room(resolver), WR_RESOLVE_MAX_PENDING - 1);
    wr_resolve_raw_cancel(&raw);
    wr_resolve_raw_cancel(&raw);
    CHECK_INT(wr_resolver_room(resolver), WR_RESOLVE_MAX_PENDING);
    wr_resolver_start_raw(resolver, &raw, "silent.test", WR_DNS_MX);
    teardown();
    CHECK_INT(done, 4);
}
