#include "base/clock.h"
#include "server/egress/policy.h"
#include "test.h"

struct bench {
    struct wr_net_guard *guard;
    struct wr_net_policy *policy;
};

static struct bench made(const char *text, bool internet)
{
    struct bench bench = {0};
    struct wr_error err = {0};
    json_t *network = text ? json_loads(text, 0, NULL) : NULL;
    CHECK(!text || network);
    if (wr_guard_new("127.9.0.0/16", &bench.guard, &err) < 0 ||
        wr_net_policy_new(network, internet, &bench.policy, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    json_decref(network);
    return bench;
}

static void done(struct bench *bench)
{
    wr_net_policy_put(bench->policy);
    wr_guard_free(bench->guard);
}

static struct wr_net_decision connect_to(const struct bench *bench, const char *address,
                                         uint16_t port, const char *name)
{
    struct wr_net_decision decision;
    struct wr_ip ip;
    CHECK(wr_ip_parse(address, &ip));
    wr_net_policy_connect(bench->policy, bench->guard, &ip, port, name, &decision);
    return decision;
}

static void expect(const struct wr_net_decision *decision, enum wr_net_verdict verdict,
                   bool by_name, const char *rule)
{
    CHECK_STR(decision->rule, rule);
    CHECK_INT(decision->verdict, verdict);
    CHECK_INT(decision->by_name, by_name);
}

#define CONNECT(bench, address, port, name, allowed, named, text)                  \
    do {                                                                           \
        struct wr_net_decision decision_ = connect_to(bench, address, port, name); \
        expect(&decision_, allowed, named, text);                                  \
    } while (0)
#define RESOLVE(bench, name, allowed, text)                       \
    do {                                                          \
        struct wr_net_decision decision_;                         \
        wr_net_policy_resolve((bench)->policy, name, &decision_); \
        CHECK_STR(decision_.rule, text);                          \
        CHECK_INT(decision_.verdict, allowed);                    \
    } while (0)

TEST(without_rules_all_passes_but_the_guard)
{
    struct bench b = made(NULL, true);
    CONNECT(&b, "93.184.216.34", 22, NULL, WR_NET_ALLOW, false, "default");
    CONNECT(&b, "2606:2800::1", 443, "a.b", WR_NET_ALLOW, false, "default");
    CONNECT(&b, "10.0.0.1", 443, "a.b", WR_NET_DENY, false, "blocked: private (10.0.0.0/8)");
    CONNECT(&b, "127.9.0.1", 80, NULL, WR_NET_ALLOW, false, "default");
    RESOLVE(&b, "a.b", WR_NET_ALLOW, "default");
    CHECK(wr_net_policy_all_records(b.policy));
    CHECK(!wr_net_policy_sniffs(b.policy, 443) && !wr_net_policy_transforms(b.policy));
    CHECK(!wr_net_policy_proxy(b.policy) && !wr_net_policy_group(b.policy) &&
          !wr_net_policy_hostname(b.policy) && !wr_net_policy_transform(b.policy, "a.b"));
    done(&b);
}

TEST(without_internet)
{
    struct bench b = made(NULL, false);
    CONNECT(&b, "93.184.216.34", 443, "a.b", WR_NET_DENY, false, "allow_internet_access: false");
    CONNECT(&b, "2606:2800::1", 80, NULL, WR_NET_DENY, false, "allow_internet_access: false");
    RESOLVE(&b, "a.b", WR_NET_DENY, "allow_internet_access: false");
    CHECK(!wr_net_policy_all_records(b.policy));
    done(&b);
    b = made("{\"allowOut\":[\"1.1.1.0/24\",\"a.b\"]}", false);
    CONNECT(&b, "1.1.1.1", 53, NULL, WR_NET_ALLOW, false, "allowOut[0] 1.1.1.0/24");
    CONNECT(&b, "9.9.9.9", 443, "a.b", WR_NET_ALLOW, true, "allowOut[1] a.b");
    RESOLVE(&b, "a.b", WR_NET_ALLOW, "allowOut[1] a.b");
    RESOLVE(&b, "b.a", WR_NET_DENY, "allow_internet_access: false");
    done(&b);
}

TEST(all_traffic_means_both_families)
{
    struct bench b = made("{\"denyOut\":[\"9.9.9.9\",\"0.0.0.0/0\"]}", true);
    CONNECT(&b, "9.9.9.9", 443, NULL, WR_NET_DENY, false, "denyOut[0] 9.9.9.9/32");
    CONNECT(&b, "8.8.8.8", 443, NULL, WR_NET_DENY, false, "denyOut[1] 0.0.0.0/0");
    CONNECT(&b, "2606:2800::1", 443, NULL, WR_NET_DENY, false, "denyOut[1] 0.0.0.0/0");
    RESOLVE(&b, "a.b", WR_NET_DENY, "denyOut[1] 0.0.0.0/0");
    CHECK(!wr_net_policy_all_records(b.policy));
    done(&b);
    b = made("{\"allowOut\":[\"0.0.0.0/0\"]}", false);
    CONNECT(&b, "2606:2800::1", 22, NULL, WR_NET_ALLOW, false, "allowOut[0] 0.0.0.0/0");
    RESOLVE(&b, "a.b", WR_NET_ALLOW, "allowOut[0] 0.0.0.0/0");
    CHECK(wr_net_policy_all_records(b.policy));
    done(&b);
}

TEST(allow_beats_deny_and_the_guard_beats_both)
{
    struct bench b = made("{\"allowOut\":[\"8.8.8.8\",\"10.0.0.0/8\"],"
                          "\"denyOut\":[\"8.8.0.0/16\"]}",
                          true);
    CONNECT(&b, "8.8.8.8", 443, NULL, WR_NET_ALLOW, false, "allowOut[0] 8.8.8.8");
    CONNECT(&b, "8.8.8.9", 443, NULL, WR_NET_DENY, false, "denyOut[0] 8.8.0.0/16");
    CONNECT(&b, "8.9.0.0", 443, NULL, WR_NET_ALLOW, false, "default");
    CONNECT(&b, "10.1.1.1", 443, NULL, WR_NET_DENY, false, "blocked: private (10.0.0.0/8)");
    /* Part of it is open: names may lead there. */
    RESOLVE(&b, "a.b", WR_NET_ALLOW, "default");
    done(&b);
}

#define DOMAINS \
    "{\"allowOut\":[\"Example.com\",\"*.x.test\",\"1.1.1.1\"],\"denyOut\":[\"0.0.0.0/0\"]}"

TEST(domains_count_on_two_ports)
{
    struct bench b = made(DOMAINS, true);
    CONNECT(&b, "9.9.9.9", 443, "example.com", WR_NET_ALLOW, true, "allowOut[0] Example.com");
    CONNECT(&b, "9.9.9.9", 80, "EXAMPLE.COM.", WR_NET_ALLOW, true, "allowOut[0] Example.com");
    CONNECT(&b, "9.9.9.9", 8443, "example.com", WR_NET_DENY, false, "denyOut[0] 0.0.0.0/0");
    CONNECT(&b, "9.9.9.9", 22, "example.com", WR_NET_DENY, false, "denyOut[0] 0.0.0.0/0");
    CONNECT(&b, "9.9.9.9", 443, NULL, WR_NET_DENY, false, "denyOut[0] 0.0.0.0/0");
    CONNECT(&b, "9.9.9.9", 443, "www.example.com", WR_NET_DENY, false, "denyOut[0] 0.0.0.0/0");
    CONNECT(&b, "9.9.9.9", 443, "a.x.test", WR_NET_ALLOW, true, "allowOut[1] *.x.test");
    CONNECT(&b, "9.9.9.9", 443, "a.b.x.test", WR_NET_ALLOW, true, "allowOut[1] *.x.test");
    CONNECT(&b, "9.9.9.9", 443, "x.test", WR_NET_DENY, false, "denyOut[0] 0.0.0.0/0");
    CONNECT(&b, "9.9.9.9", 443, "", WR_NET_DENY, false, "denyOut[0] 0.0.0.0/0");
    CONNECT(&b, "1.1.1.1", 22, NULL, WR_NET_ALLOW, false, "allowOut[2] 1.1.1.1");
    CONNECT(&b, "1.1.1.1", 443, "other.test", WR_NET_ALLOW, false, "allowOut[2] 1.1.1.1");
    CONNECT(&b, "10.0.0.1", 443, "example.com", WR_NET_DENY, false,
            "blocked: private (10.0.0.0/8)");
    CHECK(wr_net_policy_sniffs(b.policy, 443) && wr_net_policy_sniffs(b.policy, 80));
    CHECK(!wr_net_policy_sniffs(b.policy, 22) && !wr_net_policy_sniffs(b.policy, 8443));
    done(&b);
}

TEST(names_that_may_be_asked_for)
{
    struct bench b = made(DOMAINS, true);
    RESOLVE(&b, "example.com", WR_NET_ALLOW, "allowOut[0] Example.com");
    RESOLVE(&b, "Example.Com.", WR_NET_ALLOW, "allowOut[0] Example.com");
    RESOLVE(&b, "a.x.test", WR_NET_ALLOW, "allowOut[1] *.x.test");
    RESOLVE(&b, "x.test", WR_NET_DENY, "denyOut[0] 0.0.0.0/0");
    RESOLVE(&b, "secret.in.a.name.test", WR_NET_DENY, "denyOut[0] 0.0.0.0/0");
    RESOLVE(&b, "", WR_NET_DENY, "denyOut[0] 0.0.0.0/0");
    CHECK(!wr_net_policy_all_records(b.policy));
    done(&b);
    /* Ranges alone open no names: anything could be sent as one. */
    b = made("{\"allowOut\":[\"1.1.1.1\"],\"denyOut\":[\"0.0.0.0/0\"]}", true);
    RESOLVE(&b, "example.com", WR_NET_DENY, "denyOut[0] 0.0.0.0/0");
    done(&b);
    b = made("{\"allowOut\":[\"*\"],\"denyOut\":[\"0.0.0.0/0\"]}", true);
    RESOLVE(&b, "example.com", WR_NET_ALLOW, "allowOut[0] *");
    CONNECT(&b, "9.9.9.9", 443, "a", WR_NET_ALLOW, true, "allowOut[0] *");
    CONNECT(&b, "9.9.9.9", 443, NULL, WR_NET_DENY, false, "denyOut[0] 0.0.0.0/0");
    CHECK(!wr_net_policy_all_records(b.policy));
    done(&b);
}

#define HEADERS(name, value) "[{\"transform\":{\"headers\":{\"" name "\":\"" value "\"}}}]"

TEST(transforms)
{
    struct bench b = made("{\"rules\":{\"*.com\":" HEADERS("A", "1") ",\"*.Example.com\":" HEADERS(
                              "B", "${e2b.secrets.k}") ",\"example.com\":[{}]}}",
                          true);
    CHECK(wr_net_policy_transforms(b.policy));
    CHECK(wr_net_policy_sniffs(b.policy, 443) && !wr_net_policy_sniffs(b.policy, 8080));
    const struct wr_net_transform *found = wr_net_policy_transform(b.policy, "API.example.com.");
    CHECK(found);
    CHECK_STR(found->domain, "*.Example.com");
    CHECK_INT(found->header_count, 1);
    CHECK_STR(found->headers[0].name, "B");
    CHECK_STR(found->headers[0].value, "${e2b.secrets.k}");
    CHECK_STR(wr_net_policy_transform(b.policy, "other.com")->headers[0].name, "A");
    /* A rule without headers changes nothing, so the wider one is not hidden by it. */
    CHECK_STR(wr_net_policy_transform(b.policy, "example.com")->domain, "*.com");
    CHECK(!wr_net_policy_transform(b.policy, "com") && !wr_net_policy_transform(b.policy, NULL));
    /* Never to an address that the sandbox chose. */
    CONNECT(&b, "9.9.9.9", 443, "a.com", WR_NET_ALLOW, true, "default");
    CONNECT(&b, "9.9.9.9", 80, "a.com", WR_NET_ALLOW, true, "default");
    CONNECT(&b, "9.9.9.9", 8080, "a.com", WR_NET_ALLOW, false, "default");
    CONNECT(&b, "9.9.9.9", 443, "a.org", WR_NET_ALLOW, false, "default");
    done(&b);
    /* A rule allows nothing. */
    b = made("{\"rules\":{\"a.com\":" HEADERS("A", "1") "},\"denyOut\":[\"0.0.0.0/0\"]}", true);
    CONNECT(&b, "9.9.9.9", 443, "a.com", WR_NET_DENY, false, "denyOut[0] 0.0.0.0/0");
    RESOLVE(&b, "a.com", WR_NET_DENY, "denyOut[0] 0.0.0.0/0");
    done(&b);
    b = made("{\"rules\":{\"a.com\":[]}}", true);
    CHECK(!wr_net_policy_transforms(b.policy));
    done(&b);
}

TEST(proxy_and_group)
{
    struct bench b = made("{\"egressProxy\":{\"address\":\"http://[2001:db8::1]:3128\","
                          "\"username\":\"u\",\"password\":\"p\"},\"group\":\"g\","
                          "\"hostname\":\"h\"}",
                          true);
    const struct wr_net_proxy *proxy = wr_net_policy_proxy(b.policy);
    CHECK(proxy && proxy->kind == WR_NET_PROXY_HTTP);
    CHECK_STR(proxy->host, "2001:db8::1");
    CHECK_INT(proxy->port, 3128);
    CHECK_STR(proxy->username, "u");
    CHECK_STR(proxy->password, "p");
    CHECK_STR(wr_net_policy_group(b.policy), "g");
    CHECK_STR(wr_net_policy_hostname(b.policy), "h");
    done(&b);
    b = made("{\"egressProxy\":{\"address\":\"p.test:1080\"}}", true);
    proxy = wr_net_policy_proxy(b.policy);
    CHECK(proxy && proxy->kind == WR_NET_PROXY_SOCKS5 && !proxy->username && !proxy->password);
    done(&b);
}

TEST(what_is_not_valid_is_refused_here_too)
{
    static const char *const bad[] = {
        "{\"allowOut\":[1]}",
        "{\"allowOut\":[\"1.1.1.1\",\"a b\"]}",
        "{\"denyOut\":[\"a.b\"]}",
        "{\"rules\":{\"a b\":[]}}",
        "{\"rules\":{\"a.b\":[{\"transform\":{\"headers\":{\"X\":1}}}]}}",
        "{\"egressProxy\":{}}",
        "{\"egressProxy\":{\"address\":\"a\"}}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *network = json_loads(bad[i], 0, NULL);
        struct wr_net_policy *policy = NULL;
        struct wr_error err = {0};
        if (wr_net_policy_new(network, true, &policy, &err) != -WR_E_INVALID_ARGUMENT || policy)
            wr_test_fail(__FILE__, __LINE__, "%s is taken", bad[i]);
        json_decref(network);
    }
}

TEST(references)
{
    struct bench b = made("{\"allowOut\":[\"1.1.1.1\"]}", true);
    struct wr_net_policy *second = wr_net_policy_hold(b.policy);
    CHECK(!wr_net_policy_put(b.policy));
    CONNECT(&b, "1.1.1.1", 22, NULL, WR_NET_ALLOW, false, "allowOut[0] 1.1.1.1");
    wr_net_policy_put(second);
    CHECK(!wr_net_policy_put(NULL));
    wr_guard_free(b.guard);
}

static json_t *numbered(bool domains, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof text, domains ? "h%u.n%u.example.com" : "9.%u.%u.0/24",
                 (unsigned)(i / 250), (unsigned)(i % 250));
        json_array_append_new(list, json_string(text));
    }
    return list;
}

/* The longest of a text in a log line, and the work of long lists: each decision looks at all
 * ranges once, and at as many patterns as a name has labels. */
TEST(long_lists)
{
    struct wr_net_policy *policy = NULL;
    struct wr_net_guard *guard = NULL;
    struct wr_error err = {0};
    struct wr_net_decision decision;
    struct wr_ip last;
    json_t *names = numbered(true, 1000);
    json_t *deny = numbered(false, 999);
    char label[62], longest[260];
    memset(label, 'a', sizeof label - 1);
    label[sizeof label - 1] = '\0';
    snprintf(longest, sizeof longest, "%s.%s.%s.%s", label, label, label, label);
    json_array_append_new(names, json_string(longest));
    json_array_append_new(deny, json_string("0.0.0.0/0"));
    json_t *network = json_pack("{s:o, s:o}", "allowOut", names, "denyOut", deny);
    CHECK_INT(wr_guard_new(NULL, &guard, &err), 0);
    CHECK_INT(wr_net_policy_new(network, true, &policy, &err), 0);
    json_decref(network);
    CHECK(wr_ip_parse("9.9.9.9", &last));
    wr_net_policy_connect(policy, guard, &last, 443, longest, &decision);
    CHECK_INT(decision.verdict, WR_NET_ALLOW);
    CHECK(strlen(decision.rule) < WR_POLICY_RULE_TEXT);
    CHECK(strncmp(decision.rule, "allowOut[1000] aaa", 18) == 0);
    wr_net_policy_connect(policy, guard, &last, 443, "h3.n249.example.com", &decision);
    CHECK_STR(decision.rule, "allowOut[999] h3.n249.example.com");
    uint64_t began = wr_mono_us();
    for (int i = 0; i < 10000; i++)
        wr_net_policy_connect(policy, guard, &last, 443, "x.y.z.example.com", &decision);
    printf("# %llu ns per decision\n", (unsigned long long)(wr_mono_us() - began) / 10);
    CHECK_INT(decision.verdict, WR_NET_DENY);
    wr_net_policy_put(policy);
    wr_guard_free(guard);
}
