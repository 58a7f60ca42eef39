#include "server/api/network_rules.h"
#include "test.h"

static int read_rules(const char *text, bool lenient, json_t **ret, struct wr_error *err)
{
    json_t *rules = json_loads(text, 0, NULL);
    CHECK(rules);
    *err = (struct wr_error){0};
    *ret = NULL;
    int r = wr_network_rules_read(rules, lenient, ret, err);
    json_decref(rules);
    return r;
}

static void taken(const char *text, const char *kept)
{
    struct wr_error err;
    json_t *out = NULL;
    if (read_rules(text, false, &out, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", text, err.msg);
    char *seen = json_dumps(out, JSON_COMPACT);
    CHECK_STR(seen, kept);
    free(seen);
    json_decref(out);
}

static void refused(const char *text, const char *message)
{
    struct wr_error err;
    json_t *out = NULL;
    int r = read_rules(text, false, &out, &err);
    if (r != -WR_E_INVALID_ARGUMENT || !strstr(err.msg, message) || out)
        wr_test_fail(__FILE__, __LINE__, "%.300s: %d, \"%s\" is not \"%s\"", text, r, err.msg,
                     message);
}

#define HEADERS(text) "{\"a.b\":[{\"transform\":{\"headers\":{" text "}}}]}"
#define AT            "network.rules[\"a.b\"]"

static void refused_value(const char *value, const char *message)
{
    char text[6000];
    snprintf(text, sizeof text, HEADERS("\"X-A\":\"%s\""), value);
    refused(text, message);
}

TEST(kept)
{
    taken("{}", "{}");
    taken("{\"API.Example.com\":[{\"transform\":{\"headers\":{\"X-A\":\"b\"}}}]}",
          "{\"api.example.com\":[{\"transform\":{\"headers\":{\"X-A\":\"b\"}}}]}");
    taken("{\"*.a.b\":[]}", "{\"*.a.b\":[{\"transform\":{\"headers\":{}}}]}");
    taken("{\"a.b\":[{}]}", "{\"a.b\":[{\"transform\":{\"headers\":{}}}]}");
    taken("{\"a.b\":[{\"transform\":null}]}", "{\"a.b\":[{\"transform\":{\"headers\":{}}}]}");
    taken(HEADERS("\"Authorization\":\"Bearer ${e2b.secrets.API_key-1}\""),
          HEADERS("\"Authorization\":\"Bearer ${e2b.secrets.API_key-1}\""));
    taken(HEADERS("\"X\":\"${PATH} $ {e2b.}\""), HEADERS("\"X\":\"${PATH} $ {e2b.}\""));
}

TEST(domains)
{
    refused("{\"*\":[]}", "network.rules[\"*\"]: not a domain");
    refused("{\"\":[]}", "network.rules[\"\"]: not a domain");
    refused("{\"1.2.3.4\":[]}", "not a domain");
    refused("{\"10.0.0.0/8\":[]}", "not a domain");
    refused("{\"https://a.b\":[]}", "not a domain");
    refused("{\"a.b\":[],\"A.b\":[]}", "the domain is there twice");
    refused("{\"a.b\":{}}", AT ": not a list of rules");
    refused("{\"a.b\":[{},{}]}", AT ": more than one rule");
    refused("{\"a.b\":[1]}", AT "[0]: a JSON object was expected");
    refused("{\"a.b\":[{\"x\":1}]}", AT "[0]: unknown field \"x\"");
    refused("{\"a.b\":[{\"transform\":{\"x\":1}}]}", AT "[0].transform: unknown field \"x\"");
    refused("{\"a.b\":[{\"transform\":{\"headers\":[]}}]}", AT "[0].transform: field \"headers\"");
}

TEST(unknown_fields_may_be_left_out)
{
    struct wr_error err;
    json_t *out = NULL;
    CHECK_INT(read_rules("{\"a.b\":[{\"x\":1,\"transform\":{\"y\":2}}]}", true, &out, &err), 0);
    char *seen = json_dumps(out, JSON_COMPACT);
    CHECK_STR(seen, "{\"a.b\":[{\"transform\":{\"headers\":{}}}]}");
    free(seen);
    json_decref(out);
}

TEST(domain_length_and_count_from_both_sides)
{
    for (int extra = 0; extra <= 1; extra++) {
        char label[64], domain[200], text[1024] = "{";
        memset(label, 'a', 63);
        label[63] = '\0';
        snprintf(domain, sizeof domain, "%s.%.*s", label, 62, label);
        snprintf(domain + strlen(domain), 8, ".%s", extra ? "bb" : "b"); /* 63 + 1 + 62 + 1 + 1 */
        CHECK_INT(strlen(domain), 128 + extra);
        snprintf(text, sizeof text, "{\"%s\":[]}", domain);
        struct wr_error err;
        json_t *out = NULL;
        CHECK_INT(read_rules(text, false, &out, &err), extra ? -WR_E_INVALID_ARGUMENT : 0);
        json_decref(out);
        snprintf(text, sizeof text, "{");
        for (int i = 0; i < WR_RULES_MAX_DOMAINS + extra; i++)
            snprintf(text + strlen(text), 32, "%s\"d%d.b\":[]", i ? "," : "", i);
        snprintf(text + strlen(text), 2, "}");
        CHECK_INT(read_rules(text, false, &out, &err), extra ? -WR_E_INVALID_ARGUMENT : 0);
        CHECK(!extra || strstr(err.msg, "network.rules: more than 10 domains"));
        json_decref(out);
    }
}

TEST(header_names)
{
    static const char *const bad[] = {"", "a b", "a:b", "\\u00e4", "a\\n"};
    static const char *const own[] = {"Host",
                                      "content-length",
                                      "Connection",
                                      "Keep-Alive",
                                      "TE",
                                      "Transfer-Encoding",
                                      "Upgrade",
                                      "Expect",
                                      "Proxy-Authorization",
                                      "Trailer",
                                      "HTTP2-Settings",
                                      "Proxy-Connection"};
    char text[256];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof text, HEADERS("\"%s\":\"v\""), bad[i]);
        refused(text, "not a header name");
    }
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        snprintf(text, sizeof text, HEADERS("\"%s\":\"v\""), own[i]);
        refused(text, "this header cannot be set");
    }
    refused(HEADERS("\"X-A\":\"1\",\"x-a\":\"2\""), "the header is there twice");
    for (int extra = 0; extra <= 1; extra++) {
        char name[WR_RULES_MAX_NAME + 2];
        struct wr_error err;
        json_t *out = NULL;
        memset(name, 'n', sizeof name);
        name[WR_RULES_MAX_NAME + extra] = '\0';
        snprintf(text, sizeof text, HEADERS("\"%s\":\"v\""), name);
        CHECK_INT(read_rules(text, false, &out, &err), extra ? -WR_E_INVALID_ARGUMENT : 0);
        json_decref(out);
    }
}

TEST(header_count_from_both_sides)
{
    for (int extra = 0; extra <= 1; extra++) {
        char text[1024] = "{\"a.b\":[{\"transform\":{\"headers\":{";
        struct wr_error err;
        json_t *out = NULL;
        for (int i = 0; i < WR_RULES_MAX_HEADERS + extra; i++)
            snprintf(text + strlen(text), 32, "%s\"h%d\":\"v\"", i ? "," : "", i);
        snprintf(text + strlen(text), 8, "}}}]}");
        CHECK_INT(read_rules(text, false, &out, &err), extra ? -WR_E_INVALID_ARGUMENT : 0);
        json_decref(out);
    }
}

TEST(header_values)
{
    char value[WR_RULES_MAX_VALUE + 2];
    refused(HEADERS("\"X-A\":1"), "[0].transform.headers[\"X-A\"]: the value is not a text");
    refused_value("a\\r\\nb: c", "control character");
    refused_value("a\\tb", "control character");
    refused_value("a\\u007fb", "control character");
    for (int extra = 0; extra <= 1; extra++) {
        char text[WR_RULES_MAX_VALUE + 100];
        struct wr_error err;
        json_t *out = NULL;
        memset(value, 'v', sizeof value);
        value[WR_RULES_MAX_VALUE + extra] = '\0';
        snprintf(text, sizeof text, HEADERS("\"X\":\"%s\""), value);
        CHECK_INT(read_rules(text, false, &out, &err), extra ? -WR_E_INVALID_ARGUMENT : 0);
        json_decref(out);
    }
}

TEST(placeholders)
{
    refused_value("${e2b.identity.tokens.aws}", "${e2b.identity...} is not available");
    refused_value("${e2b.secrets.}", "a placeholder is written ${e2b.secrets.NAME}");
    refused_value("${e2b.secrets.a b}", "a placeholder is written");
    refused_value("${e2b.secrets.a", "a placeholder is written");
    refused_value("${e2b.secret.a}", "a placeholder is written");
    refused_value("x ${e2b.secrets.ok} ${e2b.}", "a placeholder is written");
    for (int extra = 0; extra <= 1; extra++) {
        char text[2000] = "{\"a.b\":[{\"transform\":{\"headers\":{\"X\":\"";
        struct wr_error err;
        json_t *out = NULL;
        for (int i = 0; i < WR_RULES_MAX_SECRETS + extra; i++)
            snprintf(text + strlen(text), 32, "%s${e2b.secrets.s%d}", i == 16 ? "\",\"Y\":\"" : "",
                     i);
        snprintf(text + strlen(text), 8, "\"}}}]}");
        CHECK_INT(read_rules(text, false, &out, &err), extra ? -WR_E_INVALID_ARGUMENT : 0);
        CHECK(!extra || strstr(err.msg, "more than 32 placeholders"));
        json_decref(out);
    }
}
