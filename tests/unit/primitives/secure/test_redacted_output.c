#include "base/alloc.h"
#include "base/buf.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/secure/redacted_output.h"
#include "test.h"

#define KEY "AKIAIOSFODNN7EXAMPLE"

static json_t *redacted(const char *json, struct wr_redacted_sum *sum)
{
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(NULL, &err);
    wr_auto_json *output = json_loads(json, JSON_DECODE_ANY, NULL);
    json_t *safe = NULL;

    CHECK(output != NULL);
    *sum = (struct wr_redacted_sum){0};
    CHECK_INT(wr_redacted_output(redactor, output, &safe, sum, &err), 0);
    return safe;
}

static void check_text(const json_t *object, const char *name, const char *expected)
{
    CHECK_STR(json_string_value(json_object_get(object, name)), expected);
}

TEST(an_executors_output)
{
    struct wr_redacted_sum sum;
    wr_auto_json *safe = redacted(
        "{\"success\": false, \"stdout\": \"a " KEY
        "\\n\", \"stderr\": \"b\\n\", \"logs\": \"a " KEY "\\nb\\n\", \"output\": \"a " KEY
        "\\nb\\n" KEY "\", \"log_lines\": [\"[stdout] a " KEY
        "\", \"[stderr] b\"], \"error\": \"ValueError: " KEY "\", \"error_name\": \"ValueError\", "
        "\"error_value\": \"" KEY "\", \"traceback\": null, \"results\": [{\"text\": \"" KEY
        "\", \"png\": \"" KEY "\", \"pdf\": \"(" KEY ")\", \"json\": {\"x\": [\"" KEY
        "\"]}}], \"execution_time_ms\": 1.5, "
        "\"sandbox_id\": \"iabc\", \"language\": \"python\"}",
        &sum);

    check_text(safe, "stdout", "a [REDACTED]\n");
    check_text(safe, "logs", "a [REDACTED]\nb\n");
    check_text(safe, "output", "a [REDACTED]\nb\n[REDACTED]");
    check_text(safe, "error", "ValueError: [REDACTED]");
    check_text(safe, "error_value", "[REDACTED]");
    check_text(safe, "sandbox_id", "iabc");
    const json_t *line = json_array_get(json_object_get(safe, "log_lines"), 0);
    CHECK_STR(json_string_value(line), "[stdout] a [REDACTED]");
    const json_t *result = json_array_get(json_object_get(safe, "results"), 0);
    check_text(result, "text", "[REDACTED]");
    check_text(result, "png", KEY); /* base64: chance may look like anything */
    const json_t *inner = json_array_get(json_object_get(json_object_get(result, "json"), "x"), 0);
    CHECK_STR(json_string_value(inner), "[REDACTED]");
    CHECK(json_is_null(json_object_get(safe, "traceback")));
    CHECK(json_is_false(json_object_get(safe, "success")));
    check_text(result, "pdf", "([REDACTED])"); /* no base64, whatever it is called */
    /* stdout, error_value, text, pdf, json: each once. */
    CHECK_INT(sum.places, 5);
    CHECK_INT(json_integer_value(json_object_get(safe, "redactions")), 5);
}

/* The other stream lies between two lines of a key. */
TEST(a_secret_of_several_lines)
{
    struct wr_redacted_sum sum;
    wr_auto_json *safe = redacted(
        "{\"stdout\": \"-----BEGIN PRIVATE KEY-----\\nMIIabc\\n-----END PRIVATE KEY-----\\nend\\n\", "
        "\"stderr\": \"(note)\\n\", \"logs\": \"-----BEGIN PRIVATE KEY-----\\n(note)\\nMIIabc\\n"
        "-----END PRIVATE KEY-----\\nend\\n\", \"output\": \"-----BEGIN PRIVATE KEY-----\\n(note)\\n"
        "MIIabc\\n-----END PRIVATE KEY-----\\nend\\n42\", \"log_lines\": [\"[stdout] "
        "-----BEGIN PRIVATE KEY-----\", \"[stderr] (note)\", \"[stdout] MIIabc\", \"[stdout] "
        "-----END PRIVATE KEY-----\", \"[stdout] end\"]}",
        &sum);
    wr_auto_free char *text = json_dumps(safe, JSON_COMPACT);

    CHECK(strstr(text, "MIIabc") == NULL);
    check_text(safe, "stdout", "[REDACTED]\nend\n");
}

TEST(other_outputs)
{
    struct wr_redacted_sum sum;
    wr_auto_json *text = redacted("\"x " KEY "\"", &sum);
    wr_auto_json *array = redacted("[1, \"" KEY "\", null, true]", &sum);
    wr_auto_json *object = redacted("{\"output\": \"" KEY "\", \"n\": 1}", &sum);

    CHECK_STR(json_string_value(text), "x [REDACTED]");
    CHECK_STR(json_string_value(json_array_get(array, 1)), "[REDACTED]");
    check_text(object, "output", "[REDACTED]");
    CHECK_INT(json_integer_value(json_object_get(object, "redactions")), 1);
}

/* Code that shows a dictionary by its keys. */
TEST(names_of_members)
{
    struct wr_redacted_sum sum;
    wr_auto_json *safe =
        redacted("{\"results\": [{\"json\": {\"" KEY "\": 1, \"AKIAIOSFODNN7EXAMPL2\": "
                 "2, \"n\": 3}}]}",
                 &sum);
    const json_t *result = json_array_get(json_object_get(safe, "results"), 0);
    wr_auto_free char *text = json_dumps(json_object_get(result, "json"), JSON_COMPACT);

    CHECK_STR(text, "{\"[REDACTED]\":1,\"[REDACTED] 2\":2,\"n\":3}");
    CHECK_INT(sum.places, 2);
}

TEST(too_deep_is_not_handed_out)
{
    struct wr_error err = {0};
    wr_auto_redactor *redactor = wr_redactor_new(NULL, &err);
    struct wr_redacted_sum sum = {0};
    wr_auto_json *deep = json_string(KEY);
    json_t *safe = NULL;

    for (int i = 0; i < 70; i++)
        deep = json_pack("[o]", deep);
    CHECK_INT(wr_redacted_value(redactor, deep, &safe, &sum, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK(safe == NULL);
}

struct heard {
    struct wr_buf text[2];
    unsigned values;
    int answer;
};

static int hear(const struct wr_code_event *event, void *data)
{
    struct heard *heard = data;

    if (event->value) {
        wr_auto_free char *all = wr_value_text(event->value);
        CHECK(strstr(all, KEY) == NULL);
        heard->values++;
    } else {
        CHECK_INT(wr_buf_append(&heard->text[event->kind == WR_CODE_STDERR], event->text,
                                event->text_len),
                  0);
    }
    return heard->answer;
}

static struct wr_workflow *listener(struct heard *heard)
{
    struct wr_error err = {0};

    *heard = (struct heard){.text = {WR_BUF(4096), WR_BUF(4096)}};
    return wr_workflow_new(WR_OPTS(wr_workflow_opts, .on_event = hear, .on_event_data = heard),
                           &err);
}

static int say(struct wr_redacted_events *events, enum wr_code_event_kind kind, const char *text)
{
    const struct wr_code_event event = {.kind = kind, .text = text, .text_len = strlen(text)};

    return wr_redacted_events_pass(&event, events);
}

TEST(streams_do_not_mix)
{
    struct heard heard;
    struct wr_error err = {0};
    wr_auto_workflow *workflow = listener(&heard);
    wr_auto_redactor *redactor = wr_redactor_new(NULL, &err);
    wr_auto_value *value = wr_value_object();
    struct wr_redacted_events events;

    CHECK_INT(wr_value_set(value, "text", wr_value_of_string(KEY), &err), 0);
    CHECK_INT(wr_redacted_events_init(&events, redactor, workflow, &err), 0);
    CHECK_INT(say(&events, WR_CODE_STDOUT, "out AKIAIOSF"), 0);
    CHECK_INT(say(&events, WR_CODE_STDERR, "err password=hun"), 0);
    CHECK_INT(say(&events, WR_CODE_STDOUT, "ODNN7EXAMPLE"), 0);
    CHECK_INT(say(&events, WR_CODE_STDERR, "ter22"), 0);
    const struct wr_code_event result = {.kind = WR_CODE_RESULT, .value = value};
    CHECK_INT(wr_redacted_events_pass(&result, &events), 0);
    wr_redacted_events_finish(&events);
    wr_redacted_events_done(&events);
    CHECK_STR(wr_buf_cstr(&heard.text[0]), "out [REDACTED]");
    CHECK_STR(wr_buf_cstr(&heard.text[1]), "err password=[REDACTED]");
    CHECK_INT(heard.values, 1);
    wr_buf_done(&heard.text[0]);
    wr_buf_done(&heard.text[1]);
}

TEST(a_listener_that_gives_up)
{
    struct heard heard;
    struct wr_error err = {0};
    wr_auto_workflow *workflow = listener(&heard);
    wr_auto_redactor *redactor = wr_redactor_new(NULL, &err);
    struct wr_redacted_events events;

    heard.answer = 1;
    CHECK_INT(wr_redacted_events_init(&events, redactor, workflow, &err), 0);
    CHECK(say(&events, WR_CODE_STDOUT, "some text. ") != 0);
    CHECK(say(&events, WR_CODE_STDOUT, "more text. ") != 0);
    wr_redacted_events_finish(&events);
    CHECK_STR(wr_buf_cstr(&heard.text[0]), "some text. ");
    wr_redacted_events_done(&events);
    wr_buf_done(&heard.text[0]);
    wr_buf_done(&heard.text[1]);
}
