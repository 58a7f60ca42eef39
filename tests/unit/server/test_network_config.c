#include "server/api/network_config.h"
#include "test.h"

static int read_text(const char *text, enum wr_network_use use, bool lenient, json_t **ret,
                     struct wr_error *err)
{
    json_t *network = json_loads(text, 0, NULL);
    CHECK(network);
    *err = (struct wr_error){0};
    *ret = NULL;
    const struct wr_network_reading reading = {.use = use, .lenient = lenient};
    int r = wr_network_config_read(network, &reading, ret, err);
    json_decref(network);
    return r;
}

static void taken(const char *text, const char *kept)
{
    struct wr_error err;
    json_t *out = NULL;
    if (read_text(text, WR_NETWORK_CREATE, false, &out, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", text, err.msg);
    char *seen = json_dumps(out, JSON_COMPACT);
    CHECK_STR(seen, kept ? kept : text);
    free(seen);
    json_decref(out);
}

static void refused_use(enum wr_network_use use, const char *text, const char *message)
{
    struct wr_error err;
    json_t *out = NULL;
    int r = read_text(text, use, false, &out, &err);
    if (r != -WR_E_INVALID_ARGUMENT || !strstr(err.msg, message) || out)
        wr_test_fail(__FILE__, __LINE__, "%s: %d, \"%s\" is not \"%s\"", text, r, err.msg, message);
}

static void refused(const char *text, const char *message)
{
    refused_use(WR_NETWORK_CREATE, text, message);
}

#define DOMAINS_NEED_DENY                                                                   \
    "When specifying allowed domains in allow out, you must include 'ALL_TRAFFIC' in deny " \
    "out to block all other traffic."

TEST(kept_as_given)
{
    taken("{}", NULL);
    taken("{\"allowOut\":[\"8.8.8.8\",\"1.0.0.0/8\",\"2001:db8::/32\"]}", NULL);
    taken("{\"allowOut\":[\"10.0.0.1\"],\"denyOut\":[\"0.0.0.0/0\",\"1.1.1.1\"]}", NULL);
    taken("{\"allowOut\":[\"example.com\",\"*.Example.com\",\"*\",\"a_b.c-d.e\"],"
          "\"denyOut\":[\"0.0.0.0/0\"]}",
          NULL);
    taken("{\"dnsServers\":[\"1.1.1.1\"],\"allowPublicTraffic\":false,"
          "\"maskRequestHost\":\"localhost:${PORT}\"}",
          NULL);
    taken("{\"allowOut\":[],\"denyOut\":[],\"dnsServers\":[]}", NULL);
    taken("{\"rules\":{},\"egressProxy\":null,\"httpsPorts\":[],\"allowPublicTraffic\":null}",
          "{}");
}

TEST(deny_takes_addresses_only)
{
    refused("{\"denyOut\":[\"example.com\"]}", "invalid denied CIDR example.com");
    refused("{\"denyOut\":[\"1.2.3.4/33\"]}", "invalid denied CIDR 1.2.3.4/33");
    refused("{\"denyOut\":[\"1.2.3\"]}", "invalid denied CIDR 1.2.3");
    refused("{\"denyOut\":[\"\"]}", "invalid denied CIDR  (network.denyOut[0]");
    refused("{\"denyOut\":[\"1.1.1.1\",\"2.2.2.2\",\"x\"]}",
            "invalid denied CIDR x (network.denyOut[2]: only addresses");
    refused("{\"denyOut\":[\"1.1.1.1/08\"]}", "network.denyOut[0]: not an address or a range");
    refused("{\"denyOut\":[1]}", "invalid denied CIDR");
    /* The unspecified address in one spelling only. */
    refused("{\"denyOut\":[\"0.0.0.0\"]}", "invalid denied CIDR 0.0.0.0");
    refused("{\"denyOut\":[\"0.0.0.0/8\"]}", "invalid denied CIDR 0.0.0.0/8");
    refused("{\"denyOut\":[\"::/0\"]}", "invalid denied CIDR ::/0");
    refused("{\"denyOut\":[\"::\"]}", "invalid denied CIDR ::");
    refused("{\"denyOut\":[\"::ffff:0.0.0.0/96\"]}", "invalid denied CIDR ::ffff");
}

TEST(allow_takes_domains_when_all_else_is_denied)
{
    refused("{\"allowOut\":[\"example.com\"]}", DOMAINS_NEED_DENY);
    refused("{\"allowOut\":[\"1.1.1.1\",\"example.com\"]}",
            DOMAINS_NEED_DENY " (network.allowOut[1]: example.com)");
    refused("{\"allowOut\":[\"*\"],\"denyOut\":[\"1.0.0.0/8\"]}", DOMAINS_NEED_DENY);
    static const char *const bad[] = {"not a domain", "http://x.com", "x.com/y", "1.2.3.4.5",
                                      "300.1.1.1",    "10.0.0.0/33",  "a..b",    ".a",
                                      "a.",           "-a.b",         "*.*.a",   "a*.b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[128], message[96];
        snprintf(text, sizeof text, "{\"allowOut\":[\"%s\"],\"denyOut\":[\"0.0.0.0/0\"]}", bad[i]);
        snprintf(message, sizeof message, "invalid allowed address %s", bad[i]);
        refused(text, message);
    }
}

TEST(domain_length_from_both_sides)
{
    char label[64], text[600];
    struct wr_error err;
    json_t *out = NULL;
    memset(label, 'a', 63);
    label[63] = '\0';
    for (int extra = 0; extra <= 1; extra++) {
        /* 63 * 3 + 3 dots + 61 = 253 */
        snprintf(text, sizeof text,
                 "{\"allowOut\":[\"%s.%s.%s.%.*s\"],\"denyOut\":[\"0.0.0.0/0\"]}", label, label,
                 label, 61 + extra, label);
        CHECK_INT(read_text(text, WR_NETWORK_CREATE, false, &out, &err),
                  extra ? -WR_E_INVALID_ARGUMENT : 0);
        json_decref(out);
    }
}

TEST(domains_are_taken_where_the_request_denies_all)
{
    json_t *network = json_loads("{\"allowOut\":[\"example.com\"]}", 0, NULL), *out = NULL;
    const struct wr_network_reading reading = {.no_internet = true};
    struct wr_error err = {0};
    CHECK_INT(wr_network_config_read(network, &reading, &out, &err), 0);
    json_decref(out);
    json_decref(network);
    CHECK_INT(read_text("{\"allowOut\":[\"example.com\"],\"allow_internet_access\":false}",
                        WR_NETWORK_UPDATE, false, &out, &err),
              0);
    json_decref(out);
}

TEST(the_same_entry_in_both_lists)
{
    refused("{\"allowOut\":[\"9.9.9.9\",\"1.2.3.4\"],\"denyOut\":[\"8.0.0.0/8\",\"1.2.3.4/32\"]}",
            "network.allowOut[1]: 1.2.3.4/32 is network.denyOut[1] too");
    refused("{\"allowOut\":[\"0.0.0.0/0\"],\"denyOut\":[\"0.0.0.0/0\"]}", "network.allowOut[0]");
    refused("{\"allowOut\":[\"2001:db8::7/32\"],\"denyOut\":[\"2001:db8::/32\"]}",
            "network.allowOut[0]: 2001:db8::/32");
    /* A part of a denied range is what allowOut is for. */
    taken("{\"allowOut\":[\"1.2.3.0/24\"],\"denyOut\":[\"1.2.3.0/25\",\"1.2.0.0/16\"]}", NULL);
}

TEST(list_lengths_from_both_sides)
{
    struct wr_error err;
    json_t *out = NULL;
    for (int extra = 0; extra <= 1; extra++) {
        json_t *list = json_array(), *network = json_pack("{s:O}", "denyOut", list);
        const struct wr_network_reading reading = {.use = WR_NETWORK_CREATE};
        for (int i = 0; i < WR_NETWORK_MAX_ENTRIES + extra; i++) {
            char text[32];
            snprintf(text, sizeof text, "9.%d.%d.0/24", i / 256, i % 256);
            json_array_append_new(list, json_string(text));
        }
        err = (struct wr_error){0};
        CHECK_INT(wr_network_config_read(network, &reading, &out, &err),
                  extra ? -WR_E_INVALID_ARGUMENT : 0);
        CHECK(!extra || strstr(err.msg, "\"denyOut\" is longer than 1000 elements"));
        if (!extra)
            json_decref(out);
        json_decref(network);
        json_decref(list);
    }
}

TEST(dns_servers)
{
    refused("{\"dnsServers\":[\"1.1.1.1\",\"example.com\"]}", "network.dnsServers[1]");
    refused("{\"dnsServers\":[\"::1\"]}", "network.dnsServers[0]");
    taken("{\"dnsServers\":[\"1.0.0.1\",\"1.0.0.2\",\"1.0.0.3\",\"1.0.0.4\",\"1.0.0.5\","
          "\"1.0.0.6\",\"1.0.0.7\",\"1.0.0.8\",\"1.0.0.9\",\"1.0.0.10\"]}",
          NULL);
    refused("{\"dnsServers\":[\"1.0.0.1\",\"1.0.0.2\",\"1.0.0.3\",\"1.0.0.4\",\"1.0.0.5\","
            "\"1.0.0.6\",\"1.0.0.7\",\"1.0.0.8\",\"1.0.0.9\",\"1.0.0.10\",\"1.0.0.11\"]}",
            "\"dnsServers\" is longer than 10");
}

TEST(group_and_hostname)
{
    taken("{\"group\":\"a-1\",\"hostname\":\"db\"}", NULL);
    taken("{\"group\":\"-\"}", NULL);
    static const char *const bad_groups[] = {"", "A", "a.b", "a_b", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof(bad_groups) / sizeof(bad_groups[0]); i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"group\":\"%s\"}", bad_groups[i]);
        refused(text, "network.group: ");
    }
    static const char *const bad_names[] = {"", "-a", "a-", "Db", "a.b", "abcdefghij0123456789"};
    for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"group\":\"g\",\"hostname\":\"%s\"}", bad_names[i]);
        refused(text, "network.hostname: ");
    }
    taken("{\"group\":\"g\",\"hostname\":\"abcdefghij012345678\"}", NULL);
    refused("{\"hostname\":\"db\"}", "network.hostname: it is a name in a group");
}

TEST(names_of_groups_from_both_sides)
{
    char name[66], text[128];
    for (int extra = 0; extra <= 1; extra++) {
        memset(name, 'a', sizeof name);
        name[63 + extra] = '\0';
        snprintf(text, sizeof text, "{\"group\":\"%s\"}", name);
        if (extra)
            refused(text, "network.group");
        else
            taken(text, NULL);
    }
}

TEST(host_mask)
{
    static const char *const good[] = {
        "localhost",         "localhost:80",      "a.example.com",  "a-${PORT}.b:1",
        "127.0.0.1:${PORT}", "localhost:${PORT}", "${PORT}-x.test", "x.${PORT}.example.com"};
    static const char *const bad[] = {"",        "a b",    "a:0",          "a:65536",  "a:b", "a/b",
                                      "${HOST}", "${PORT", "http://a:80/", "\xc3\xa4", "a:"};
    char text[256];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(text, sizeof text, "{\"maskRequestHost\":\"%s\"}", good[i]);
        taken(text, NULL);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof text, "{\"maskRequestHost\":\"%s\"}", bad[i]);
        refused(text, "mask request host is not valid");
    }
}

TEST(egress_proxy)
{
    taken("{\"egressProxy\":{\"address\":\"proxy.example.com:1080\"}}", NULL);
    taken("{\"egressProxy\":{\"address\":\"socks5://[2001:db8::1]:1\",\"username\":\"u:1\","
          "\"password\":\"\"}}",
          NULL);
    taken("{\"egressProxy\":{\"address\":\"http://192.0.2.1:65535\",\"tls\":false}}",
          "{\"egressProxy\":{\"address\":\"http://192.0.2.1:65535\"}}");
    refused("{\"egressProxy\":{}}", "network.egressProxy: field \"address\" is missing");
    refused("{\"egressProxy\":{\"address\":\"a:1\",\"x\":1}}", "network.egressProxy: unknown");
    refused("{\"egressProxy\":{\"address\":\"a:1\",\"tls\":true}}", "network.egressProxy.tls");
    refused("{\"egressProxy\":{\"address\":\"a:1\",\"tls\":{}}}", "network.egressProxy.tls");
    refused("{\"egressProxy\":{\"address\":\"a:1\",\"password\":\"p\"}}",
            "network.egressProxy.password: without a username");
    refused("{\"egressProxy\":{\"address\":\"a:1\",\"username\":\"\"}}",
            "network.egressProxy.username");
    refused("{\"egressProxy\":{\"address\":\"http://a:1\",\"username\":\"a:b\"}}",
            "network.egressProxy.username: has a colon");
    static const char *const bad[] = {"",      "a",           "a:",        "a:0",    "a:65536",
                                      ":1",    "https://a:1", "a b:1",     "[::1:1", "::1:1",
                                      "[a]:1", "1.2.3:1",     "socks5://", "u@a:1",  "[1.2.3.4]:1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"egressProxy\":{\"address\":\"%s\"}}", bad[i]);
        refused(text, "network.egressProxy.address: ");
    }
}

TEST(credentials_from_both_sides)
{
    static const char *const names[] = {"username", "password"};
    char value[257], text[600];
    for (int i = 0; i < 2; i++)
        for (int extra = 0; extra <= 1; extra++) {
            memset(value, 'a', sizeof value);
            value[255 + extra] = '\0';
            snprintf(text, sizeof text,
                     "{\"egressProxy\":{\"address\":\"a:1\",\"username\":\"%s\","
                     "\"password\":\"%s\"}}",
                     i == 0 ? value : "u", i == 1 ? value : "p");
            if (extra)
                refused(text, names[i]);
            else
                taken(text, NULL);
        }
}

TEST(not_available_yet)
{
    refused("{\"httpsPorts\":[443]}", "network.httpsPorts is not available yet");
}

TEST(secrets_are_not_shown)
{
    json_t *network =
        json_loads("{\"denyOut\":[\"1.1.1.1\"],\"egressProxy\":{\"address\":\"a:1\","
                   "\"username\":\"u\",\"password\":\"hidden\"},\"rules\":{\"a.b\":[{\"transform\":"
                   "{\"headers\":{\"X\":\"hidden\",\"Y\":\"${e2b.secrets.k}\","
                   "\"Z\":\"Bearer ${e2b.secrets.k}\"}}}],\"c.d\":[{}]}}",
                   0, NULL);
    json_t *before = json_deep_copy(network), *shown = wr_network_config_shown(network);
    char *text = json_dumps(shown, JSON_COMPACT);
    CHECK_STR(text, "{\"denyOut\":[\"1.1.1.1\"],\"egressProxy\":{\"address\":\"a:1\","
                    "\"username\":\"u\"},\"rules\":{\"a.b\":[{\"transform\":{\"headers\":{"
                    "\"X\":\"***\",\"Y\":\"${e2b.secrets.k}\",\"Z\":\"***\"}}}],\"c.d\":[{}]}}");
    CHECK(json_equal(network, before));
    free(text);
    json_decref(shown);
    json_decref(before);
    json_decref(network);
}

TEST(fields_of_creation_and_update)
{
    struct wr_error err;
    json_t *out = NULL;
    refused("{\"frob\":1}", "frob");
    refused("{\"allowOut\":\"x\"}", "validation error: network");
    refused("{\"allow_internet_access\":true}", "allow_internet_access");
    refused_use(WR_NETWORK_UPDATE, "{\"allowPublicTraffic\":true}", "allowPublicTraffic");
    refused_use(WR_NETWORK_UPDATE, "{\"maskRequestHost\":\"a\"}", "maskRequestHost");
    refused_use(WR_NETWORK_UPDATE, "{\"httpsPorts\":[]}", "httpsPorts");
    refused_use(WR_NETWORK_UPDATE, "{\"allow_internet_access\":1}", "allow_internet_access");
    CHECK_INT(read_text("{\"allow_internet_access\":false,\"denyOut\":[\"1.1.1.1\"]}",
                        WR_NETWORK_UPDATE, false, &out, &err),
              0);
    CHECK_INT(json_object_size(out), 1);
    json_decref(out);
    CHECK_INT(read_text("{\"frob\":1,\"denyOut\":[]}", WR_NETWORK_UPDATE, true, &out, &err), 0);
    CHECK_INT(json_object_size(out), 1);
    json_decref(out);
}

TEST(update_replaces_all_but_what_only_a_creation_sets)
{
    json_t *before = json_loads("{\"allowOut\":[\"1.1.1.1\"],\"denyOut\":[\"0.0.0.0/0\"],"
                                "\"allowPublicTraffic\":false,\"maskRequestHost\":\"a\"}",
                                0, NULL);
    json_t *update = json_loads("{\"denyOut\":[\"2.2.2.2\"]}", 0, NULL);
    json_t *after = wr_network_config_update(before, update);
    json_t *expected = json_loads("{\"denyOut\":[\"2.2.2.2\"],\"allowPublicTraffic\":false,"
                                  "\"maskRequestHost\":\"a\"}",
                                  0, NULL);
    CHECK(json_equal(after, expected));
    CHECK(!wr_network_config_is_public(after) && wr_network_config_is_public(update) &&
          wr_network_config_is_public(NULL));
    json_decref(after);
    after = wr_network_config_update(NULL, update);
    CHECK(json_equal(after, update));
    json_decref(after);
    json_decref(before);
    json_decref(update);
    json_decref(expected);
}
