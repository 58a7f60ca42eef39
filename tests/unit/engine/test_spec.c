#include "base/buf.h"
#include "engine/action.h"
#include "engine/spec.h"
#include "json/jread.h"
#include "template/store.h"
#include "test.h"

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID    "abcdefghij0123456789"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static struct wr_error err;

/* Reads a CREATE payload; `json` must be JSON. */
static int read_text(const char *json, struct wr_spec *spec)
{
    wr_auto_json *payload = NULL;
    if (wr_json_parse(json, strlen(json), &payload, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", json, err.msg);
    return wr_spec_read(payload, spec, &err);
}

static void check_refused(const char *json, const char *word)
{
    struct wr_spec spec = {.pids = 7};
    CHECK_INT(read_text(json, &spec), -WR_E_INVALID_ARGUMENT);
    if (!strstr(err.msg, word))
        wr_test_fail(__FILE__, __LINE__, "\"%s\" does not name %s", err.msg, word);
    CHECK_INT(spec.pids, 7); /* untouched */
    CHECK(!spec.env && !spec.access_token[0] && !spec.control_token[0]);
}

TEST(every_field_is_read)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    CHECK_INT(read_text("{\"id\":\"" ID
                        "\",\"template\":\"base\",\"cpuMillis\":100,\"memoryBytes\":2,"
                        "\"diskBytes\":3,\"pids\":4,\"openFiles\":5,\"envVars\":{\"A\":\"b=c\"},"
                        "\"accessToken\":\"" TOKEN "\",\"controlToken\":\"" OTHER
                        "\",\"sockets\":6,\"egress\":true,\"blank\":true}",
                        &spec),
              0);
    CHECK_STR(spec.id, ID);
    CHECK_STR(spec.template_name, "base");
    CHECK_INT(spec.cpu_millis, 100);
    CHECK_INT(spec.memory_bytes, 2);
    CHECK_INT(spec.disk_bytes, 3);
    CHECK_INT(spec.pids, 4);
    CHECK_INT(spec.open_files, 5);
    CHECK_INT(spec.sockets, 6);
    CHECK(spec.blank);
    CHECK(spec.egress);
    CHECK_STR(spec.access_token, TOKEN);
    CHECK_STR(spec.control_token, OTHER);
    CHECK_STR(spec.snapshot, "");
    CHECK_STR(json_string_value(json_object_get(spec.env, "A")), "b=c");
}

TEST(only_the_template_is_required)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    CHECK_INT(read_text("{\"template\":\"base\"}", &spec), 0);
    CHECK_STR(spec.id, "");
    CHECK_STR(spec.access_token, "");
    CHECK_STR(spec.control_token, "");
    CHECK_INT(json_object_size(spec.env), 0);
    CHECK_INT(spec.memory_bytes, 0);
    CHECK(!spec.blank);
    check_refused("{}", "template");
}

TEST(wrong_fields_are_refused)
{
    check_refused("{\"template\":\"base\",\"colour\":1}", "colour");
    check_refused("{\"template\":\"base\",\"blank\":true}", "accessToken");
    check_refused("{\"template\":\"base\",\"blank\":true,\"accessToken\":\"" TOKEN "\"}",
                  "controlToken");
    check_refused("{\"template\":\"base\",\"blank\":true,\"controlToken\":\"" TOKEN "\"}",
                  "accessToken");
    check_refused("{\"template\":\"base\",\"controlToken\":\"" TOKEN "0\"}", "controlToken");
    check_refused("{\"template\":\"base\",\"controlToken\":\"\"}", "controlToken");
    check_refused("{\"template\":\"base\",\"controlToken\":7}", "controlToken");
    check_refused("{\"template\":\"base\",\"level\":\"frozen\"}", "level");
    check_refused("{\"template\":\"base\",\"id\":\"ABCDEFGHIJ0123456789\"}",
                  "ABCDEFGHIJ0123456789");
    check_refused("{\"template\":\"base\",\"id\":\"abcdefghij012345678\"}", "id");
    check_refused("{\"template\":\"base\",\"id\":\"" ID "0\"}", "id");
    check_refused("{\"template\":\"base\",\"id\":\"../../../etc/passwd0\"}", "id");
    check_refused("{\"template\":\"../base\"}", "template");
    check_refused("{\"template\":\"\"}", "template");
    check_refused("{\"template\":7}", "template");
    check_refused("{\"template\":\"base\",\"cpuMillis\":-1}", "cpuMillis");
    check_refused("{\"template\":\"base\",\"pids\":\"4\"}", "pids");
    check_refused("{\"template\":\"base\",\"diskBytes\":1.5}", "diskBytes");
    check_refused("{\"template\":\"base\",\"sockets\":17}", "sockets");
    check_refused("{\"template\":\"base\",\"envVars\":[]}", "envVars");
    check_refused("{\"template\":\"base\",\"envVars\":{\"\":\"x\"}}", "name");
    check_refused("{\"template\":\"base\",\"envVars\":{\"A=B\":\"x\"}}", "A=B");
    check_refused("{\"template\":\"base\",\"envVars\":{\"A\":1}}", "A");
    check_refused("{\"template\":\"base\",\"owner\":\"me\"}", "owner");
    check_refused("{\"template\":\"base\",\"accessToken\":\"\"}", "token");
    check_refused("{\"template\":\"base\",\"accessToken\":\"" TOKEN "0\"}", "token");
    check_refused("{\"template\":\"base\",\"accessToken\":\"g23456789" TOKEN "\"}", "token");
}

TEST(from_a_snapshot)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    CHECK_INT(read_text("{\"snapshot\":\"" ID "\",\"pids\":9,\"envVars\":{\"A\":\"b\"}}", &spec),
              0);
    CHECK_STR(spec.snapshot, ID);
    CHECK_STR(spec.template_name, "");
    CHECK_INT(spec.pids, 9);
    check_refused("{\"snapshot\":\"" ID "\",\"template\":\"base\"}", "either");
    check_refused("{\"snapshot\":\"abc\"}", "abc");
    check_refused("{\"snapshot\":\"../../../etc/passwd0\"}", "id");
    check_refused("{\"snapshot\":\"" ID "\",\"volumes\":[]}", "volumes");
    check_refused("{\"snapshot\":\"" ID "\",\"content\":true}", "volumes");
    check_refused("{\"snapshot\":\"" ID "\",\"blank\":true}", "blank");
}

TEST(levels_have_names)
{
    static const char *const names[] = {"running", "frozen", "paged", "hibernated"};
    enum wr_level level = WR_LEVEL_PAGED;
    CHECK_INT(wr_level_read("Frozen", &level, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_level_read("", &level, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(level, WR_LEVEL_PAGED);
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++) {
        CHECK_INT(wr_level_read(names[i], &level, &err), 0);
        CHECK_INT(level, i);
        CHECK_STR(wr_level_name(level), names[i]);
    }
}

TEST(a_copy_shares_the_environment)
{
    struct wr_spec spec = {0}, copy;
    CHECK_INT(read_text("{\"template\":\"base\",\"envVars\":{\"A\":\"b\"},\"accessToken\":\"" TOKEN
                        "\"}",
                        &spec),
              0);
    wr_spec_copy(&spec, &copy);
    wr_spec_done(&spec);
    CHECK(!spec.env && !spec.access_token[0]);
    CHECK_STR(json_string_value(json_object_get(copy.env, "A")), "b");
    CHECK_STR(copy.access_token, TOKEN);
    wr_spec_done(&copy);
}

/* One variable "A" whose value makes the environment `total` bytes long. */
static int read_env(size_t total, struct wr_spec *spec)
{
    static char json[WR_ACTION_MAX_ENV + 256];
    size_t value = total - 3; /* name, "=" and NUL */
    size_t used =
        (size_t)snprintf(json, sizeof(json), "{\"template\":\"base\",\"envVars\":{\"A\":\"");
    memset(json + used, 'x', value);
    snprintf(json + used + value, sizeof(json) - used - value, "\"}}");
    return read_text(json, spec);
}

TEST(environment_limit)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0}, none = {0};
    CHECK_INT(read_env(WR_ACTION_MAX_ENV, &spec), 0);
    CHECK_INT(read_env(WR_ACTION_MAX_ENV + 1, &none), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "environment"));
}

TEST(limits_come_from_request_template_and_defaults)
{
    const struct wr_template t = {.memory_bytes = 64 * WR_MIB, .cpu_millis = 500};
    struct wr_spec spec = {.cpu_millis = 700};
    CHECK_INT(wr_spec_complete(&spec, &t, &err), 0);
    CHECK_INT(spec.cpu_millis, 700);
    CHECK_INT(spec.memory_bytes, 64 * WR_MIB);
    CHECK_INT(spec.disk_bytes, WR_DISK_BYTES_DEFAULT);
    CHECK_INT(spec.pids, WR_PIDS_DEFAULT);
    CHECK_INT(spec.open_files, WR_OPEN_FILES_DEFAULT);
}

TEST(limits_have_two_sides)
{
    const struct wr_template t = {.layer_count = 0};
    struct wr_spec spec;
    const struct {
        const char *name;
        uint64_t *value;
        uint64_t min, max;
    } rows[] = {
        {"cpuMillis", &spec.cpu_millis, WR_CPU_MILLIS_MIN, WR_CPU_MILLIS_MAX},
        {"memoryBytes", &spec.memory_bytes, WR_MEMORY_BYTES_MIN, WR_MEMORY_BYTES_MAX},
        {"diskBytes", &spec.disk_bytes, WR_DISK_BYTES_MIN, WR_DISK_BYTES_MAX},
        {"pids", &spec.pids, WR_PIDS_MIN, WR_PIDS_MAX},
        {"openFiles", &spec.open_files, WR_OPEN_FILES_MIN, WR_OPEN_FILES_MAX},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        const uint64_t good[] = {rows[i].min, rows[i].max},
                       bad[] = {rows[i].min - 1, rows[i].max + 1};
        for (size_t j = 0; j < 2; j++) {
            spec = (struct wr_spec){0};
            *rows[i].value = good[j];
            CHECK_INT(wr_spec_complete(&spec, &t, &err), 0);
            spec = (struct wr_spec){0};
            *rows[i].value = bad[j];
            CHECK_INT(wr_spec_complete(&spec, &t, &err), -WR_E_INVALID_ARGUMENT);
            CHECK(strstr(err.msg, rows[i].name));
        }
    }
}

static int read_record(const char *json, struct wr_spec *spec)
{
    wr_auto_json *record = NULL;
    CHECK_INT(wr_json_parse(json, strlen(json), &record, &err), 0);
    return wr_spec_read_record(record, spec, &err);
}

TEST(record_round_trip)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0}, back = {0};
    wr_auto_buf text = WR_BUF(128 * 1024);
    CHECK_INT(read_text("{\"id\":\"" ID
                        "\",\"template\":\"a.b-c\",\"cpuMillis\":100,\"memoryBytes\":200,"
                        "\"diskBytes\":300,\"pids\":400,\"openFiles\":500,"
                        "\"envVars\":{\"SECRET\":\"xyzzy\"},\"accessToken\":\"" TOKEN
                        "\",\"controlToken\":\"" OTHER "\"}",
                        &spec),
              0);
    spec.generation = 12345678901;
    spec.level = WR_LEVEL_PAGED;
    spec.paused_ms = 1763767507999;
    memset(spec.pause_reason, 'r', WR_SPEC_MAX_REASON);
    spec.restored = true;
    spec.redirect = 2;
    spec.slot = 4095;
    spec.created_ms = 1763767507123;
    CHECK_INT(wr_spec_write_record(&spec, &text), 0);
    const char *record = wr_buf_cstr(&text);
    CHECK(record && !strstr(record, "xyzzy") && !strstr(record, TOKEN) &&
          !strstr(record, OTHER)); /* secrets are not kept */
    CHECK_INT(read_record(record, &back), 0);
    CHECK_STR(back.id, ID);
    CHECK_STR(back.template_name, "a.b-c");
    CHECK_STR(back.access_token, "");
    CHECK_STR(back.control_token, "");
    CHECK_INT(back.generation, 12345678901);
    CHECK_INT(back.level, WR_LEVEL_PAGED);
    CHECK_INT(back.paused_ms, 1763767507999);
    CHECK_STR(back.pause_reason, spec.pause_reason);
    CHECK(back.restored);
    CHECK_INT(back.redirect, 2);
    CHECK_INT(back.cpu_millis, 100);
    CHECK_INT(back.memory_bytes, 200);
    CHECK_INT(back.disk_bytes, 300);
    CHECK_INT(back.pids, 400);
    CHECK_INT(back.open_files, spec.open_files);
    CHECK_INT(back.slot, 4095);
    CHECK_INT(back.created_ms, 1763767507123);
    CHECK(!back.blank);
}

TEST(the_record_of_a_blank)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0}, back = {0};
    wr_auto_buf text = WR_BUF(4096);

    CHECK_INT(read_text("{\"id\":\"" ID "\",\"template\":\"base\",\"accessToken\":\"" TOKEN
                        "\",\"controlToken\":\"" OTHER "\",\"blank\":true}",
                        &spec),
              0);
    CHECK_INT(wr_spec_write_record(&spec, &text), 0);
    CHECK_INT(read_record(wr_buf_cstr(&text), &back), 0);
    CHECK(back.blank);
}

TEST(limits_of_an_assignment)
{
    struct wr_spec spec = {.cpu_millis = 1000,
                           .memory_bytes = WR_GIB,
                           .disk_bytes = WR_GIB,
                           .pids = 64,
                           .open_files = 1024};
    const struct wr_spec_limits two = {.cpu_millis = 500, .pids = 100};
    const struct wr_spec_limits bad = {.cpu_millis = 100, .pids = 1};

    CHECK_INT(wr_spec_set_limits(&spec, &two, &err), 0);
    CHECK_INT(spec.cpu_millis, 500);
    CHECK_INT(spec.pids, 100);
    CHECK_INT(spec.memory_bytes, WR_GIB);
    CHECK_INT(wr_spec_set_limits(&spec, &bad, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "pids"));
    CHECK_INT(spec.cpu_millis, 500);
}

#define RECORD(format, slot)              \
    "{\"format\":" format ",\"id\":\"" ID \
    "\",\"template\":\"base\",\"createdMs\":1,\"slot\":" slot "}"

TEST(records_of_another_kind_are_refused)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0}, none = {0};
    CHECK_INT(read_record(RECORD("2", "1"), &spec), 0); /* of an earlier Warren */
    CHECK(spec.level == WR_LEVEL_RUNNING && spec.generation == 0 && !spec.restored);
    wr_spec_done(&spec);
    CHECK_INT(read_record(RECORD("3", "1"), &spec), 0);
    CHECK(read_record(RECORD("1", "1"), &none) < 0);
    CHECK(strstr(err.msg, "format"));
    CHECK(read_record(RECORD("4", "1"), &none) < 0);
    CHECK(read_record(RECORD("3", "1,\"level\":\"asleep\""), &none) < 0);
    CHECK(strstr(err.msg, "asleep"));
    char text[512];
    snprintf(text, sizeof text, RECORD("3", "1,\"pauseReason\":\"%0*d\""), WR_SPEC_MAX_REASON + 1,
             0);
    CHECK(read_record(text, &none) < 0);
    CHECK(strstr(err.msg, "pauseReason"));
    CHECK(read_record(RECORD("3", "1,\"redirect\":3"), &none) < 0);
    CHECK(strstr(err.msg, "redirect"));
    CHECK(read_record(RECORD("3", "1,\"generation\":-1"), &none) < 0);
    CHECK(strstr(err.msg, "generation"));
    CHECK(read_record(RECORD("3", "1,\"accessToken\":\"" TOKEN "\""), &none) < 0);
    CHECK(strstr(err.msg, "accessToken"));
    CHECK(read_record(RECORD("3", "1,\"snapshot\":\"" ID "\""), &none) < 0);
    CHECK(strstr(err.msg, "snapshot"));
    CHECK(read_record(RECORD("2", "4096"), &none) < 0);
    CHECK(strstr(err.msg, "slot"));
    CHECK(read_record("{\"format\":2,\"template\":\"base\",\"createdMs\":1,\"slot\":1}", &none) <
          0);
    CHECK(strstr(err.msg, "id"));
    CHECK(read_record("{\"format\":2,\"id\":\"" ID
                      "\",\"template\":\"base\",\"createdMs\":1,\"slot\":1,\"x\":1}",
                      &none) < 0);
}
