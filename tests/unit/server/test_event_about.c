#include "base/str.h"
#include "json/jread.h"
#include "server/event_about.h"
#include "server/event_json.h"
#include "server/event_type.h"
#include "server/settings.h"
#include "server/store/uuid.h"
#include "test.h"

#define ID   "aaaaaaaaaaaaaaaaaaaa"
#define TEAM "11111111-2222-4333-8444-555555555555"

static struct wr_sandbox sandbox(void)
{
    struct wr_sandbox made = {.created_ms = 1700000000000,
                              .limits = {.cpu_millis = 1500, .memory_bytes = (uint64_t)512 << 20}};

    CHECK(wr_strcopy(made.id, sizeof made.id, ID));
    CHECK(wr_strcopy(made.template_name, sizeof made.template_name, "base"));
    return made;
}

static json_t *about(const struct wr_sandbox *of, const struct wr_event_moment *moment)
{
    wr_auto_buf text = WR_BUF(WR_EVENT_ABOUT_MAX);
    struct wr_error err = {0};
    json_t *json = NULL;

    CHECK_INT(wr_event_about_write(of, "b", moment, &text), 0);
    CHECK_INT(wr_json_parse(wr_buf_ptr(&text), text.len, &json, &err), 0);
    CHECK(wr_uuid_valid(json_string_value(json_object_get(json, "id"))));
    return json;
}

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

static json_t *data_of(const json_t *json)
{
    return json_object_get(json, "data");
}

TEST(a_beginning)
{
    const struct wr_event_moment moment = {.type = "created", .reason = "request"};
    struct wr_sandbox s = sandbox();
    struct wr_error err = {0};

    CHECK_INT(wr_settings_read("{\"metadata\":{\"a\":\"\\u00e4\\\"\"}}", &s.settings, &err), 0);
    json_t *json = about(&s, &moment);
    CHECK_STR(text_of(json, "build"), "b");
    CHECK_INT(strlen(text_of(json, "template")), WR_TEMPLATE_ID_LEN);
    CHECK(wr_uuid_valid(text_of(json, "execution")));
    CHECK_STR(text_of(data_of(json), "reason"), "request");
    CHECK_STR(text_of(json_object_get(data_of(json), "sandbox_metadata"), "a"), "\xc3\xa4\"");
    CHECK_INT(json_object_size(data_of(json)), 2);
    json_decref(json);
    CHECK(wr_strcopy(s.snapshot_template, sizeof s.snapshot_template, "snap"));
    json = about(&s, &moment);
    CHECK_STR(text_of(json, "template"), "snap");
    json_decref(json);
    json_decref(s.settings);
}

TEST(executions_differ_by_their_start)
{
    const struct wr_event_moment moment = {.type = "created", .reason = "request"};
    struct wr_sandbox s = sandbox();

    json_t *first = about(&s, &moment), *again = about(&s, &moment);
    CHECK_STR(text_of(first, "execution"), text_of(again, "execution"));
    CHECK(!wr_streq(text_of(first, "id"), text_of(again, "id")));
    s.created_ms++;
    json_t *later = about(&s, &moment);
    CHECK(!wr_streq(text_of(first, "execution"), text_of(later, "execution")));
    json_decref(first);
    json_decref(again);
    json_decref(later);
}

TEST(an_end)
{
    struct wr_sandbox s = sandbox();
    const struct wr_event_moment moment = {
        .type = "killed", .reason = "oom", .now_ms = s.created_ms + 1234};

    json_t *json = about(&s, &moment);
    json_t *execution = json_object_get(data_of(json), "execution");
    CHECK_STR(text_of(execution, "started_at"), "2023-11-14T22:13:20.000Z");
    CHECK_INT(json_integer_value(json_object_get(execution, "vcpu_count")), 2);
    CHECK_INT(json_integer_value(json_object_get(execution, "memory_mb")), 512);
    CHECK_INT(json_integer_value(json_object_get(execution, "execution_time")), 1234);
    json_decref(json);
    /* Of one that nobody knows any more. */
    json = about(NULL, &moment);
    CHECK_INT(json_object_size(json), 2);
    CHECK_INT(json_object_size(data_of(json)), 1);
    json_decref(json);
}

TEST(facts)
{
    struct wr_sandbox s = sandbox();
    const struct wr_event_facts resumed = {.level = "frozen", .memory = true},
                                taken = {.snapshot_id = "x/y:z"},
                                moved = {.set_timeout_ms = 1700000000000};
    struct wr_event_moment moment = {.type = "resumed", .reason = "request", .facts = &resumed};

    json_t *json = about(&s, &moment);
    CHECK_STR(text_of(data_of(json), "level"), "frozen");
    CHECK(json_is_true(json_object_get(data_of(json), "memory")));
    json_decref(json);
    moment = (struct wr_event_moment){.type = "checkpointed", .reason = "x", .facts = &taken};
    json = about(&s, &moment);
    CHECK_STR(text_of(data_of(json), "snapshot_id"), "x/y:z");
    CHECK_INT(json_object_size(data_of(json)), 2);
    json_decref(json);
    moment = (struct wr_event_moment){.type = "updated", .reason = "x", .facts = &moved};
    json = about(&s, &moment);
    CHECK_STR(text_of(data_of(json), "set_timeout"), "2023-11-14T22:13:20.000Z");
    json_decref(json);
    moment = (struct wr_event_moment){.type = "paused", .reason = "timeout"};
    s.level = WR_PAUSE_HIBERNATED;
    json = about(&s, &moment);
    CHECK_STR(text_of(data_of(json), "level"), "hibernated");
    CHECK(json_is_false(json_object_get(data_of(json), "memory")));
    CHECK(json_object_get(data_of(json), "execution"));
    json_decref(json);
}

TEST(types)
{
    wr_event_set all = 0;

    for (size_t i = 0; i < WR_EVENT_TYPES; i++) {
        const char *name = wr_event_type_name(i);
        CHECK(wr_starts_with(name, WR_EVENT_TYPE_PREFIX));
        CHECK_INT(wr_event_type_bit(name), (wr_event_set)1 << i);
        CHECK(*wr_event_type_label(name));
        all |= wr_event_type_bit(name);
    }
    CHECK_INT(all, (1 << WR_EVENT_TYPES) - 1);
    CHECK_INT(wr_event_type_bit("created"), 0);
    CHECK_STR(wr_event_type_label("x"), "");
}

/* Both spellings of the same event. */
TEST(shapes)
{
    static const char *const names[2][5] = {
        {"eventData", "sandboxId", "sandboxTeamId", "sandboxExecutionId", "eventLabel"},
        {"event_data", "sandbox_id", "sandbox_team_id", "sandbox_execution_id", "event_label"}};
    const struct wr_store_event event = {
        .sandbox_id = ID,
        .team_id = TEAM,
        .type = "sandbox.lifecycle.killed",
        .detail = "{}",
        .at_ms = 1700000000000,
        .about = "{\"id\":\"i\",\"execution\":\"e\",\"data\":{\"reason\":\"oom\"}}"};

    for (int i = 0; i < 2; i++) {
        wr_auto_buf text = WR_BUF(4096);
        struct wr_error err = {0};
        json_t *json = NULL;
        struct wr_jw w;
        wr_jw_init(&w, &text);
        (i == 0 ? wr_event_write_api : wr_event_write_payload)(&w, &event);
        CHECK_INT(wr_jw_finish(&w), 0);
        CHECK_INT(wr_json_parse(wr_buf_ptr(&text), text.len, &json, &err), 0);
        CHECK_STR(text_of(json, "id"), "i");
        CHECK_STR(text_of(json, "timestamp"), "2023-11-14T22:13:20.000Z");
        CHECK_STR(text_of(json_object_get(json, names[i][0]), "reason"), "oom");
        CHECK_STR(text_of(json, names[i][1]), ID);
        CHECK_STR(text_of(json, names[i][2]), TEAM);
        CHECK_STR(text_of(json, names[i][3]), "e");
        CHECK_STR(text_of(json, names[i][4]), "kill");
        CHECK_INT(json_object_size(json), 10);
        json_decref(json);
    }
}
