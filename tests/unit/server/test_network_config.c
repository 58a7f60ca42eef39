#include "server/api/network_config.h"
#include "test.h"

static int read_text(const char *text, enum wr_network_use use, bool lenient, json_t **ret,
                     struct wr_error *err)
{
    json_t *network = json_loads(text, 0, NULL);
    CHECK(network);
    *err = (struct wr_error){0};
    *ret = NULL;
    int r = wr_network_config_read(network, use, lenient, ret, err);
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
    refused("{\"denyOut\":[\"\"]}", "invalid denied CIDR ");
    refused("{\"denyOut\":[1]}", "invalid denied CIDR");
    /* The unspecified address in one spelling only. */
    refused("{\"denyOut\":[\"0.0.0.0\"]}", "invalid denied CIDR 0.0.0.0");
    refused("{\"denyOut\":[\"0.0.0.0/8\"]}", "invalid denied CIDR 0.0.0.0/8");
    refused("{\"denyOut\":[\"::/0\"]}", "invalid denied CIDR ::/0");
}

TEST(allow_takes_domains_when_all_else_is_denied)
{
    refused("{\"allowOut\":[\"example.com\"]}", DOMAINS_NEED_DENY);
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

TEST(dns_servers)
{
    refused("{\"dnsServers\":[\"example.com\"]}", "dnsServers");
    refused("{\"dnsServers\":[\"::1\"]}", "dnsServers");
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

TEST(not_available_yet)
{
    refused("{\"egressProxy\":{\"address\":\"a:1\"}}", "network.egressProxy is not available yet");
    refused("{\"rules\":{\"a.b\":[]}}", "network.rules is not available yet");
    refused("{\"httpsPorts\":[443]}", "network.httpsPorts is not available yet");
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
