#include "engine/engine.h"
#include "test.h"

static void add(struct wr_engine *engine, unsigned number, enum wr_sandbox_state state)
{
    struct wr_spec spec = {.pids = number};
    snprintf(spec.id, sizeof(spec.id), "%020u", number);
    struct wr_engine_sandbox *s = wr_engine_sandbox_new(engine, &spec);
    CHECK(s && !s->listed && s->engine == engine);
    CHECK_STR(spec.id, ""); /* taken over */
    wr_engine_enter(s, state);
    wr_engine_insert(s);
}

static struct wr_engine_sandbox *find(const struct wr_engine *engine, unsigned number)
{
    char id[WR_ID_LEN + 1];
    snprintf(id, sizeof(id), "%020u", number);
    return wr_engine_find(engine, id);
}

static void check_order(const struct wr_engine *engine)
{
    for (size_t i = 1; i < engine->sandbox_count; i++)
        CHECK(strcmp(engine->sandboxes[i - 1]->spec.id, engine->sandboxes[i]->spec.id) < 0);
}

TEST(thousands_in_order)
{
    struct wr_engine engine = {.sock = -1};
    for (unsigned i = 0; i < 5000; i++)
        add(&engine, i * 7919 % 10007 * 2 + 2, WR_SANDBOX_RUNNING);
    CHECK_INT(engine.sandbox_count, 5000);
    check_order(&engine);
    for (unsigned i = 0; i < 5000; i += 2)
        wr_engine_drop(find(&engine, i * 7919 % 10007 * 2 + 2));
    CHECK_INT(engine.sandbox_count, 2500);
    check_order(&engine);
    for (unsigned i = 0; i < 5000; i++) {
        const unsigned number = i * 7919 % 10007 * 2 + 2;
        const struct wr_engine_sandbox *s = find(&engine, number);
        CHECK(i % 2 ? s && s->spec.pids == number : !s);
        CHECK(!find(&engine, number + 1));
    }
    wr_engine_table_done(&engine);
    CHECK_INT(engine.sandbox_count, 0);
    CHECK_INT(engine.live_count, 0);
}

TEST(what_is_behind)
{
    struct wr_engine engine = {.sock = -1};
    CHECK_INT(wr_engine_behind(&engine, ""), 0);
    CHECK(!wr_engine_find(&engine, ""));
    add(&engine, 5, WR_SANDBOX_RUNNING);
    add(&engine, 3, WR_SANDBOX_RUNNING);
    CHECK_INT(wr_engine_behind(&engine, ""), 0);
    CHECK_INT(wr_engine_behind(&engine, "00000000000000000003"), 1);
    CHECK_INT(wr_engine_behind(&engine, "00000000000000000004"), 1);
    CHECK_INT(wr_engine_behind(&engine, "00000000000000000005"), 2);
    CHECK_INT(wr_engine_behind(&engine, "z"), 2);
    wr_engine_table_done(&engine);
}

TEST(those_that_are_alive)
{
    struct wr_engine engine = {.sock = -1};
    add(&engine, 1, WR_SANDBOX_HIBERNATED);
    CHECK_INT(engine.live_count, 0);
    add(&engine, 2, WR_SANDBOX_RUNNING);
    add(&engine, 3, WR_SANDBOX_FROZEN);
    CHECK_INT(engine.live_count, 2);
    wr_engine_enter(find(&engine, 1), WR_SANDBOX_RESUMING);
    CHECK_INT(engine.live_count, 3);
    wr_engine_enter(find(&engine, 1), WR_SANDBOX_RUNNING);
    wr_engine_enter(find(&engine, 2), WR_SANDBOX_HIBERNATED);
    CHECK_INT(engine.live_count, 2);
    wr_engine_drop(find(&engine, 2));
    CHECK_INT(engine.live_count, 2);
    wr_engine_drop(find(&engine, 3));
    CHECK_INT(engine.live_count, 1);
    /* One that is in no table does not count. */
    struct wr_spec spec = {.pids = 1};
    struct wr_engine_sandbox *s = wr_engine_sandbox_new(&engine, &spec);
    wr_engine_enter(s, WR_SANDBOX_RUNNING);
    wr_engine_drop(s);
    CHECK_INT(engine.live_count, 1);
    wr_engine_table_done(&engine);
}
