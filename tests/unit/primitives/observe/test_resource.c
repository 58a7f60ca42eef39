#include "json/jread.h"
#include "primitives/observe/resource.h"
#include "recording_sender.h"
#include "test.h"

/* With the two variables of the environment; NULL: not set. */
static json_t *resource(const char *name, const char *service, const char *attributes)
{
    wr_auto_buf out = WR_BUF(65536);
    struct wr_error err = {0};

    CHECK(service ? setenv("OTEL_SERVICE_NAME", service, 1) == 0
                  : unsetenv("OTEL_SERVICE_NAME") == 0);
    CHECK(attributes ? setenv("OTEL_RESOURCE_ATTRIBUTES", attributes, 1) == 0
                     : unsetenv("OTEL_RESOURCE_ATTRIBUTES") == 0);
    CHECK_INT(wr_resource_write(name, &out, &err), 0);
    json_t *json = json_loadb(wr_buf_ptr(&out), out.len, 0, NULL);
    CHECK(json);
    return json;
}

TEST(defaults)
{
    wr_auto_json *json = resource(NULL, NULL, NULL);

    CHECK_STR(attribute_text(json, "service.name"), "warren");
    CHECK_STR(attribute_text(json, "service.version"), WR_VERSION);
    CHECK_STR(attribute_text(json, "telemetry.sdk.name"), "warren");
    CHECK_STR(attribute_text(json, "telemetry.sdk.language"), "c");
    CHECK_STR(attribute_text(json, "telemetry.sdk.version"), WR_VERSION);
}

TEST(the_nearer_name_wins)
{
    wr_auto_json *listed = resource(NULL, "", "service.name=listed,service.version=7");
    wr_auto_json *set = resource(NULL, "set", "service.name=listed");
    wr_auto_json *given = resource("given", "set", "service.name=listed");

    CHECK_STR(attribute_text(listed, "service.name"), "listed");
    CHECK_STR(attribute_text(listed, "service.version"), "7");
    CHECK_STR(attribute_text(set, "service.name"), "set");
    CHECK_STR(attribute_text(given, "service.name"), "given");
}

TEST(further_attributes)
{
    wr_auto_json *json =
        resource(NULL, NULL, "deployment.environment=test%20bed,telemetry.sdk.name=other");

    CHECK_STR(attribute_text(json, "deployment.environment"), "test bed");
    CHECK_STR(attribute_text(json, "telemetry.sdk.name"), "warren"); /* is what it is */
}

TEST(what_cannot_be_read_is_named)
{
    wr_auto_buf out = WR_BUF(65536);
    struct wr_error err = {0};

    CHECK(setenv("OTEL_RESOURCE_ATTRIBUTES", "a", 1) == 0);
    CHECK_INT(wr_resource_write(NULL, &out, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "OTEL_RESOURCE_ATTRIBUTES"));
    CHECK_INT(out.len, 0);
}
