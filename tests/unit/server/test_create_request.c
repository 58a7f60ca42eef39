#include "server/api/create_request.h"
#include "test.h"

static int parse(const char *text, struct wr_create_request *ret, struct wr_error *err)
{
    *ret = (struct wr_create_request){0};
    *err = (struct wr_error){0};
    return wr_create_request_parse(text, strlen(text), ret, err);
}

static void refused(const char *text, const char *names)
{
    struct wr_create_request request;
    struct wr_error err;
    CHECK_INT(parse(text, &request, &err), -WR_E_INVALID_ARGUMENT);
    if (!strstr(err.msg, names))
        wr_test_fail(__FILE__, __LINE__, "\"%s\" does not name %s", err.msg, names);
    CHECK(!request.body);
}

TEST(smallest)
{
    struct wr_create_request request;
    struct wr_error err;
    CHECK_INT(parse("{\"templateID\":\"base\"}", &request, &err), 0);
    CHECK_STR(request.spec.template_name, "base");
    CHECK_INT(request.spec.timeout_ms, 300000);
    CHECK(!request.spec.metadata && !request.spec.env_vars);
    CHECK_INT(request.spec.limits.memory_bytes, 0);
    wr_create_request_done(&request);
}

TEST(everything)
{
    struct wr_create_request request;
    struct wr_error err;
    CHECK_INT(parse("{\"templateID\":\"base\",\"timeout\":86400,\"envVars\":{\"A\":\"b\"},"
                    "\"metadata\":{\"k\":\"v\"},\"limits\":{\"cpuMillis\":50,\"memoryBytes\":"
                    "33554432,\"diskBytes\":8388608,\"pids\":8,\"openFiles\":64}}",
                    &request, &err),
              0);
    CHECK_INT(request.spec.timeout_ms, 86400000);
    CHECK_INT(request.spec.limits.cpu_millis, 50);
    CHECK_INT(request.spec.limits.pids, 8);
    CHECK_INT(json_object_size(request.spec.env_vars), 1);
    wr_create_request_done(&request);
}

TEST(refusals_name_the_field)
{
    refused("", "JSON");
    refused("{}", "templateID");
    refused("{\"templateID\":\"../x\"}", "templateID");
    refused("{\"templateID\":\"base\",\"secure\":true}", "secure");
    refused("{\"templateID\":\"base\",\"timeout\":0}", "timeout");
    refused("{\"templateID\":\"base\",\"timeout\":86401}", "timeout");
    refused("{\"templateID\":\"base\",\"timeout\":\"5\"}", "timeout");
    refused("{\"templateID\":\"base\",\"envVars\":{\"A=B\":\"c\"}}", "A=B");
    refused("{\"templateID\":\"base\",\"envVars\":{\"\":\"c\"}}", "envVars");
    refused("{\"templateID\":\"base\",\"envVars\":{\"A\":1}}", "envVars");
    refused("{\"templateID\":\"base\",\"metadata\":{\"A\":1}}", "metadata");
    refused("{\"templateID\":\"base\",\"limits\":{\"pids\":7}}", "pids");
    refused("{\"templateID\":\"base\",\"limits\":{\"cpuMillis\":256001}}", "cpuMillis");
    refused("{\"templateID\":\"base\",\"limits\":{\"memoryBytes\":33554431}}", "memoryBytes");
    refused("{\"templateID\":\"base\",\"limits\":{\"gpu\":1}}", "gpu");
}

TEST(env_total_from_both_sides)
{
    static char text[WR_ACTION_MAX_ENV + 4096];
    struct wr_create_request request;
    struct wr_error err;
    for (int extra = 0; extra <= 1; extra++) {
        int n = snprintf(text, sizeof text, "{\"templateID\":\"base\",\"envVars\":{\"A\":\"");
        memset(text + n, 'x', (size_t)(WR_ACTION_MAX_ENV - 1 + extra));
        memcpy(text + n + WR_ACTION_MAX_ENV - 1 + extra, "\"}}", 4);
        CHECK_INT(parse(text, &request, &err), extra ? -WR_E_INVALID_ARGUMENT : 0);
        wr_create_request_done(&request);
    }
}
