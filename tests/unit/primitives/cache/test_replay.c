#include "json/value.h"
#include "primitives/cache/replay.h"
#include "support/primitive_call.h"
#include "test.h"

struct listener {
    char seen[512];
    int give_up_at;
    int events;
};

static int on_event(const struct wr_code_event *event, void *data)
{
    struct listener *listener = data;
    char *value = event->value ? wr_value_text(event->value) : NULL;
    size_t used = strlen(listener->seen);
    (void)snprintf(listener->seen + used, sizeof listener->seen - used, "%d:%.*s;",
                   (int)event->kind, value ? (int)strlen(value) : (int)event->text_len,
                   value ? value : event->text);
    wr_free(value);
    return ++listener->events == listener->give_up_at ? -1 : 0;
}

static int replay(struct listener *listener, const char *json, struct wr_error *err)
{
    struct wr_value *value = NULL;
    CHECK_INT(wr_value_parse(json, strlen(json), &value, err), 0);
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .on_event = listener ? on_event : NULL,
                                .on_event_data = listener),
                        err);
    int r = wr_cache_replay(value, workflow, err);
    wr_workflow_free(workflow);
    wr_value_free(value);
    return r;
}

static const char output[] =
    "{\"stdout\":\"out\\n\",\"stderr\":\"err\",\"results\":[{\"text\":\"1\"},{\"png\":\"x\"}],"
    "\"error_name\":\"E\",\"error_value\":\"v\",\"traceback\":\"t\"}";

TEST(everything_is_told_once)
{
    struct listener listener = {0};
    struct wr_error err = {0};
    CHECK_INT(replay(&listener, output, &err), 0);
    CHECK_STR(listener.seen, "1:out\n;2:err;3:{\"text\":\"1\"};3:{\"png\":\"x\"};"
                             "4:{\"name\":\"E\",\"traceback\":\"t\",\"value\":\"v\"};");
}

TEST(what_is_not_there_is_not_told)
{
    struct listener listener = {0};
    struct wr_error err = {0};
    CHECK_INT(replay(&listener, "{\"stdout\":\"\",\"error_name\":null,\"results\":[]}", &err), 0);
    CHECK_INT(replay(&listener, "[1,2]", &err), 0);
    CHECK_INT(replay(&listener, "{\"results\":{\"a\":1}}", &err), 0);
    CHECK_INT(listener.events, 0);
    CHECK_INT(replay(NULL, output, &err), 0);
}

TEST(a_listener_that_gives_up_ends_it)
{
    for (int at = 1; at <= 5; at++) {
        struct listener listener = {.give_up_at = at};
        struct wr_error err = {0};
        CHECK_INT(replay(&listener, output, &err), -WR_E_CANCELED);
        CHECK_INT(listener.events, at);
    }
}
