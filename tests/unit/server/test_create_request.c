#include "server/api/create_request.h"
#include "test.h"

static const struct wr_create_rules v1 = {false, false, 86400};
static const struct wr_create_rules v2 = {true, false, 86400};
static const struct wr_create_rules lenient = {true, true, 90};

static int parse(const char *text, const struct wr_create_rules *rules,
                 struct wr_create_request *ret, struct wr_error *err)
{
    *ret = (struct wr_create_request){0};
    *err = (struct wr_error){0};
    return wr_create_request_parse(text, strlen(text), rules, ret, err);
}

static void refused_by(const struct wr_create_rules *rules, const char *text, const char *names)
{
    struct wr_create_request request;
    struct wr_error err;
    int r = parse(text, rules, &request, &err);
    if (r != -WR_E_INVALID_ARGUMENT || !strstr(err.msg, names))
        wr_test_fail(__FILE__, __LINE__, "%s: %d, \"%s\" does not name %s", text, r, err.msg,
                     names);
    CHECK(!request.body && !request.settings);
}

static void refused(const char *text, const char *names)
{
    refused_by(&v1, text, names);
}

/* A body with the template and one more member. */
static void refused_field(const char *member, const char *names)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"templateID\":\"base\",%s}", member);
    refused_by(&v1, text, names);
}

TEST(smallest)
{
    struct wr_create_request request;
    struct wr_error err;
    CHECK_INT(parse("{\"templateID\":\" Base:V1 \"}", &v1, &request, &err), 0);
    CHECK_STR(request.template_ref.name, "base");
    CHECK_STR(request.template_ref.tag, "v1");
    CHECK_STR(request.template_text, " Base:V1 ");
    CHECK_INT(request.spec.timeout_ms, 15000);
    CHECK(!request.spec.env_vars && !request.spec.secure && !request.spec.private_traffic);
    CHECK_INT(request.spec.limits.memory_bytes, 0);
    char *settings = json_dumps(request.settings, JSON_COMPACT);
    CHECK_STR(settings, "{\"lifecycle\":{\"autoResume\":false,\"onTimeout\":\"kill\"}}");
    free(settings);
    wr_create_request_done(&request);
}

TEST(version_2_is_secure_and_lives_longer)
{
    struct wr_create_request request;
    struct wr_error err;
    CHECK_INT(parse("{\"templateID\":\"base\"}", &v2, &request, &err), 0);
    CHECK_INT(request.spec.timeout_ms, 300000);
    CHECK(request.spec.secure);
    wr_create_request_done(&request);
}

TEST(everything)
{
    struct wr_create_request request;
    struct wr_error err;
    CHECK_INT(
        parse("{\"templateID\":\"ns/base\",\"timeout\":86400,\"envVars\":{\"A\":\"b\"},"
              "\"metadata\":{\"k\":\"v\"},\"limits\":{\"cpuMillis\":50,\"memoryBytes\":"
              "33554432,\"diskBytes\":8388608,\"pids\":8,\"openFiles\":64},"
              "\"secure\":true,\"autoPause\":false,\"autoPauseMemory\":true,"
              "\"autoResume\":{\"enabled\":false},\"iam\":{\"tokens\":{}},\"volumeMounts\":[],"
              "\"allow_internet_access\":false,\"mcp\":{\"a\":{\"b\":1}},"
              "\"network\":{\"allowPublicTraffic\":false,\"denyOut\":[\"0.0.0.0/0\"]}}",
              &v1, &request, &err),
        0);
    CHECK_STR(request.template_ref.team, "ns");
    CHECK_INT(request.spec.timeout_ms, 86400000);
    CHECK_INT(request.spec.limits.cpu_millis, 50);
    CHECK_INT(request.spec.limits.pids, 8);
    CHECK_INT(json_object_size(request.spec.env_vars), 1);
    CHECK(request.spec.secure && request.spec.private_traffic);
    const json_t *settings = request.spec.settings;
    CHECK_STR(json_string_value(json_object_get(json_object_get(settings, "metadata"), "k")), "v");
    CHECK(json_is_false(json_object_get(settings, "allowInternetAccess")));
    CHECK(json_object_get(json_object_get(settings, "mcp"), "a"));
    CHECK_INT(json_array_size(json_object_get(json_object_get(settings, "network"), "denyOut")), 1);
    wr_create_request_done(&request);
}

TEST(null_counts_as_absent)
{
    struct wr_create_request request;
    struct wr_error err;
    CHECK_INT(parse("{\"templateID\":\"base\",\"mcp\":null,\"network\":null,\"metadata\":null,"
                    "\"allow_internet_access\":null,\"timeout\":null}",
                    &v1, &request, &err),
              0);
    CHECK_INT(json_object_size(request.settings), 1);
    wr_create_request_done(&request);
}

TEST(refusals_name_the_field)
{
    refused("", "JSON");
    refused("{}", "templateID");
    refused("{\"templateID\":\"../x\"}", "templateID");
    refused("{\"templateID\":7}", "validation error: ");
    refused_field("\"frob\":1", "frob");
    refused_field("\"timeout\":\"5\"", "validation error: field \"timeout\"");
    refused_field("\"envVars\":{\"A=B\":\"c\"}", "A=B");
    refused_field("\"envVars\":{\"\":\"c\"}", "envVars");
    refused_field("\"envVars\":{\"A\":1}", "envVars");
    refused_field("\"metadata\":{\"A\":1}", "metadata");
    refused_field("\"limits\":{\"pids\":7}", "pids");
    refused_field("\"limits\":{\"cpuMillis\":256001}", "cpuMillis");
    refused_field("\"limits\":{\"memoryBytes\":33554431}", "memoryBytes");
    refused_field("\"limits\":{\"gpu\":1}", "gpu");
    refused_field("\"autoResume\":{}", "enabled");
    refused_field("\"autoResume\":{\"enabled\":false,\"frob\":1}", "frob");
    refused_field("\"network\":{\"frob\":1}", "frob");
}

/* Trap 7: this one name has underscores. */
TEST(trap_7_snake_case)
{
    refused_field("\"allowInternetAccess\":false", "allowInternetAccess");
}

TEST(what_is_not_there_yet_is_named)
{
    refused_field("\"iam\":{\"tokens\":{\"a\":{\"audience\":\"x\",\"tokenType\":\"JWT-SVID\"}}}",
                  "iam.tokens is not available yet");
    refused_field("\"network\":{\"httpsPorts\":[443]}", "httpsPorts is not available yet");
}

static void lives(const char *members, const char *lifecycle)
{
    char text[512];
    struct wr_create_request request;
    struct wr_error err;
    snprintf(text, sizeof text, "{\"templateID\":\"base\",%s}", members);
    CHECK_INT(parse(text, &v1, &request, &err), 0);
    char *seen = json_dumps(json_object_get(request.settings, "lifecycle"), JSON_COMPACT);
    CHECK_STR(seen, lifecycle);
    free(seen);
    wr_create_request_done(&request);
}

TEST(what_happens_at_the_deadline)
{
    lives("\"autoPause\":true", "{\"autoResume\":false,\"onTimeout\":\"pause\"}");
    lives("\"autoPause\":true,\"autoResume\":{\"enabled\":true}",
          "{\"autoResume\":true,\"onTimeout\":\"pause\"}");
    lives("\"autoResume\":{\"enabled\":true}", "{\"autoResume\":true,\"onTimeout\":\"kill\"}");
    lives("\"autoPause\":true,\"autoPauseMemory\":false",
          "{\"autoResume\":false,\"onTimeout\":\"pause\",\"keepMemory\":false}");
    refused_field("\"autoPauseMemory\":false", "autoPause: true");
    refused_field("\"autoPause\":true,\"autoPauseMemory\":false,\"autoResume\":{\"enabled\":true}",
                  "autoResume");
}

TEST(timeouts)
{
    refused_field("\"timeout\":0", "Timeout must be greater than 0");
    refused_field("\"timeout\":-1", "Timeout must be greater than 0");
    refused_field("\"timeout\":86401", "Timeout cannot be greater than 24 hours");
    refused_field("\"timeout\":9223372036854775807", "Timeout cannot be greater than 24 hours");
    refused_by(&lenient, "{\"templateID\":\"base\",\"timeout\":91}",
               "Timeout cannot be greater than 90 seconds");
}

TEST(private_ports_need_a_secure_sandbox)
{
    static const char body[] =
        "{\"templateID\":\"base\",\"network\":{\"allowPublicTraffic\":false}}";
    struct wr_create_request request;
    struct wr_error err;
    refused(body, "You cannot create a sandbox without public access unless you enable secure envd "
                  "access via 'secure' flag.");
    CHECK_INT(parse(body, &v2, &request, &err), 0);
    CHECK(request.spec.private_traffic);
    wr_create_request_done(&request);
}

TEST(lenient_ignores_what_is_unknown)
{
    struct wr_create_request request;
    struct wr_error err;
    CHECK_INT(parse("{\"templateID\":\"base\",\"timeout\":90,\"frob\":1,\"network\":{\"frob\":1}}",
                    &lenient, &request, &err),
              0);
    CHECK(!json_object_get(json_object_get(request.settings, "network"), "frob"));
    wr_create_request_done(&request);
    refused_by(&lenient,
               "{\"templateID\":\"base\",\"timeout\":9,\"iam\":{\"tokens\":{\"a\":{\"audience\":"
               "\"x\",\"tokenType\":\"JWT-SVID\"}}}}",
               "iam.tokens");
}

TEST(size_of_mcp_from_both_sides)
{
    static char text[16384];
    struct wr_create_request request;
    struct wr_error err;
    for (size_t extra = 0; extra <= 1; extra++) {
        int n = snprintf(text, sizeof text, "{\"templateID\":\"base\",\"mcp\": {\"a\": \"");
        /* The object without its blank has eight characters more. */
        memset(text + n, 'x', 8192 - 8 + extra);
        memcpy(text + n + 8192 - 8 + extra, "\"}}", 4);
        CHECK_INT(parse(text, &v1, &request, &err), extra ? -WR_E_INVALID_ARGUMENT : 0);
        CHECK(!extra || strstr(err.msg, "mcp"));
        wr_create_request_done(&request);
    }
}

TEST(env_total_from_both_sides)
{
    static char text[WR_ACTION_MAX_ENV + 4096];
    struct wr_create_request request;
    struct wr_error err;
    for (int extra = 0; extra <= 1; extra++) {
        int n = snprintf(text, sizeof text, "{\"templateID\":\"base\",\"envVars\":{\"A\":\"");
        memset(text + n, 'x', (size_t)(WR_ACTION_MAX_ENV - 3 + extra));
        memcpy(text + n + WR_ACTION_MAX_ENV - 3 + extra, "\"}}", 4);
        CHECK_INT(parse(text, &v1, &request, &err), extra ? -WR_E_INVALID_ARGUMENT : 0);
        wr_create_request_done(&request);
    }
}
