/* What a driver finds when an engine starts. */
#include <string.h>

#include "talk.h"
#include "test.h"

#define S TALK_ID("s")

static struct talk talk;

static struct wr_driver_callbacks callbacks;

static int open_driver(struct wr_loop *loop, const struct wr_engine_opts *opts,
                       const struct wr_driver_callbacks *given, struct wr_driver **ret,
                       struct wr_error *err)
{
    callbacks = *given;
    return wr_driver_fake.open(loop, opts, given, ret, err);
}

/* 300 of them, every third without memory, and one again. */
static int find_saved(struct wr_driver *driver, struct wr_error *err)
{
    (void)driver;
    (void)err;
    for (unsigned i = 0; i < 301; i++) {
        struct wr_spec spec = {.created_ms = 5, .paused_ms = 7, .memory_bytes = WR_GIB};
        struct wr_saved saved = {
            .spec = &spec, .memory = i % 3 > 0, .bytes = 1000 + i, .created_ms = 9};
        snprintf(spec.id, sizeof(spec.id), "%020u", i % 300 * 7919 % 10000);
        snprintf(spec.template_name, sizeof(spec.template_name), "base");
        memcpy(saved.id, spec.id, sizeof(saved.id));
        if (i == 1)
            memcpy(saved.source, S, sizeof(saved.source));
        callbacks.on_found_saved(callbacks.data, &saved);
    }
    return 0;
}

TEST(hibernated_ones_are_found)
{
    char last[WR_ID_LEN + 1] = "";
    unsigned seen = 0;
    struct wr_driver_ops ops = wr_driver_fake;
    ops.open = open_driver;
    ops.recover = find_saved;
    talk = talk_start(&ops);
    for (bool more = true; more;) {
        size_t i;
        json_t *entry;
        CHECK_INT(talk_call(&talk, WR_ACTION_LIST, "{\"after\":\"%s\"}", last), 0);
        more = talk_true(&talk, "more");
        json_array_foreach(json_object_get(talk.reply.json, "sandboxes"), i, entry) {
            const char *id = json_string_value(json_object_get(entry, "id"));
            CHECK(strcmp(id, last) > 0);
            CHECK_STR(json_string_value(json_object_get(entry, "level")), "hibernated");
            CHECK_INT(json_integer_value(json_object_get(entry, "pausedMs")), 7);
            CHECK(json_integer_value(json_object_get(entry, "bytes")) >= 1000);
            memcpy(last, id, sizeof(last));
            seen++;
        }
        CHECK(seen == 300 || i == WR_ACTION_LIST_PAGE);
    }
    CHECK_INT(seen, 300);
    CHECK(json_is_false(json_object_get(talk_listed(&talk, "00000000000000000000"), "memory")));
    /* The snapshot that stands for one is kept. */
    CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOT_REMOVE, "{\"snapshot\":\"" S "\"}"),
              WR_E_FAILED_PRECONDITION);
    CHECK_INT(talk_call(&talk, WR_ACTION_CREATE,
                        "{\"template\":\"base\",\"id\":\"00000000000000007919\"}"),
              WR_E_ALREADY_EXISTS);
    CHECK_INT(talk_call(&talk, WR_ACTION_KILL, "{\"id\":\"00000000000000007919\"}"), 0);
    CHECK_INT(talk_call(&talk, WR_ACTION_KILL, "{\"id\":\"00000000000000007919\"}"),
              WR_E_NOT_FOUND);
    CHECK_INT(talk_call(&talk, WR_ACTION_SHUTDOWN, "{}"), 0);
    CHECK_INT(talk_ended(&talk), 0);
}

/* Those that live, with the level of their record. */
static int find_living(struct wr_driver *driver, struct wr_error *err)
{
    static const char *const ids[] = {TALK_ID("a"), TALK_ID("b"), TALK_ID("c"), TALK_ID("d")};
    (void)driver;
    (void)err;
    for (enum wr_level level = WR_LEVEL_RUNNING; level <= WR_LEVEL_HIBERNATED; level++) {
        struct wr_spec spec = {.created_ms = 5, .paused_ms = level ? 7 : 0, .level = level};
        snprintf(spec.id, sizeof(spec.id), "%s", ids[level]);
        CHECK(callbacks.on_found(callbacks.data, &spec, NULL));
    }
    /* What is saved of one that lives does not count. */
    struct wr_spec spec = {.level = WR_LEVEL_RUNNING};
    struct wr_saved saved = {.spec = &spec, .memory = true};
    memcpy(spec.id, ids[0], sizeof(spec.id));
    memcpy(saved.id, ids[0], sizeof(saved.id));
    callbacks.on_found_saved(callbacks.data, &saved);
    return 0;
}

TEST(living_ones_are_found_at_their_level)
{
    struct wr_driver_ops ops = wr_driver_fake;
    ops.open = open_driver;
    ops.recover = find_living;
    talk = talk_start(&ops);
    CHECK_STR(talk_level(&talk, TALK_ID("a")), "running");
    CHECK_STR(talk_level(&talk, TALK_ID("b")), "frozen");
    CHECK_STR(talk_level(&talk, TALK_ID("c")), "paged");
    CHECK_STR(talk_level(&talk, TALK_ID("d")), "frozen"); /* it was about to be hibernated */
    const json_t *listed = talk_listed(&talk, TALK_ID("c"));
    CHECK_INT(json_integer_value(json_object_get(listed, "pausedMs")), 7);
    CHECK(json_is_true(json_object_get(listed, "memory")));
}
