/* Which frozen sandbox is hibernated when; without a server. */
#include <string.h>

#include "server/pause_decision.h"
#include "test.h"

#define TEAM "11111111-1111-4111-8111-111111111111"

static struct wr_sandbox *add(struct wr_sandbox_table *table, char letter,
                              enum wr_pause_level level, uint64_t paused_ms)
{
    char id[WR_ID_LEN + 1] = "";
    struct wr_sandbox *sandbox = NULL;
    struct wr_error err = {0};

    memset(id, letter, WR_ID_LEN);
    CHECK_INT(wr_sandbox_table_add(table, id, TEAM, &sandbox, &err), 0);
    if (level != WR_PAUSE_NONE)
        wr_sandbox_set_state(table, sandbox, WR_SANDBOX_PAUSED);
    sandbox->level = level;
    sandbox->paused_ms = paused_ms;
    return sandbox;
}

static void done(struct wr_sandbox_table *table)
{
    wr_list_foreach(it, wr_sandbox_table_all(table))
        wr_sandbox_table_remove(table, wr_list_entry(it, struct wr_sandbox, link));
    wr_sandbox_table_free(table);
}

TEST(the_oldest_frozen_one_is_next_when_its_time_has_come)
{
    const struct wr_pause_config config = {.hibernate_after_ms = 60000, .low_memory_pct = 10};
    struct wr_sandbox_table *table = wr_sandbox_table_new();
    enum wr_pause_level level = WR_PAUSE_NONE;
    struct wr_pause_view view = {.now_ms = 100000, .free_pct = 50};
    CHECK(table);
    add(table, 'a', WR_PAUSE_NONE, 0);
    add(table, 'b', WR_PAUSE_HIBERNATED, 1);
    struct wr_sandbox *young = add(table, 'c', WR_PAUSE_FROZEN, 60001);
    CHECK(!wr_pause_next(table, &config, &view, &level));
    struct wr_sandbox *old = add(table, 'd', WR_PAUSE_PAGED, 40000);
    CHECK(wr_pause_next(table, &config, &view, &level) == old);
    view.now_ms = 99999;
    CHECK(!wr_pause_next(table, &config, &view, &level));
    view.now_ms = 1000000;
    old->saving = true;
    CHECK(wr_pause_next(table, &config, &view, &level) == young);
    old->saving = false;
    /* After a failure it waits; what cannot be saved at all is never asked again. */
    old->deepen_after_ms = 8;
    view.mono_ms = 7;
    CHECK(wr_pause_next(table, &config, &view, &level) == young);
    view.mono_ms = 8;
    CHECK(wr_pause_next(table, &config, &view, &level) == old);
    memcpy(old->pause_reason, "x", 2);
    CHECK(wr_pause_next(table, &config, &view, &level) == young);
    done(table);
}

TEST(short_memory_and_the_end_do_not_wait)
{
    struct wr_pause_config config = {.hibernate_after_ms = 60000, .low_memory_pct = 10};
    struct wr_sandbox_table *table = wr_sandbox_table_new();
    enum wr_pause_level level = WR_PAUSE_NONE;
    struct wr_pause_view view = {.now_ms = 100000, .free_pct = 10};
    CHECK(table);
    struct wr_sandbox *one = add(table, 'a', WR_PAUSE_FROZEN, 99999);
    CHECK(!wr_pause_next(table, &config, &view, &level));
    view.free_pct = 9;
    CHECK(wr_pause_next(table, &config, &view, &level) == one);
    config.low_memory_pct = 0;
    CHECK(!wr_pause_next(table, &config, &view, &level));
    view.all = true;
    CHECK(wr_pause_next(table, &config, &view, &level) == one);
    view.all = false;
    config.hibernate_after_ms = 0;
    view.now_ms = UINT64_MAX / 2;
    CHECK(!wr_pause_next(table, &config, &view, &level));
    done(table);
}

TEST(where_there_is_swap_it_comes_first)
{
    struct wr_pause_config config = {
        .page_after_ms = 10000, .hibernate_after_ms = 60000, .low_memory_pct = 10};
    struct wr_sandbox_table *table = wr_sandbox_table_new();
    enum wr_pause_level level = WR_PAUSE_NONE;
    struct wr_pause_view view = {.now_ms = 100000, .free_pct = 50, .swap = true};
    CHECK(table);
    add(table, 'a', WR_PAUSE_PAGED, 50000);
    struct wr_sandbox *frozen = add(table, 'b', WR_PAUSE_FROZEN, 90001);
    CHECK(!wr_pause_next(table, &config, &view, &level));
    view.now_ms = 100001;
    CHECK(wr_pause_next(table, &config, &view, &level) == frozen);
    CHECK_INT(level, WR_PAUSE_PAGED);
    view.swap = false;
    CHECK(!wr_pause_next(table, &config, &view, &level));
    view.swap = true;
    /* Short memory needs more than that. */
    view.free_pct = 9;
    CHECK(wr_pause_next(table, &config, &view, &level) != frozen);
    CHECK_INT(level, WR_PAUSE_HIBERNATED);
    view.free_pct = 50;
    config.page_after_ms = 0;
    CHECK(!wr_pause_next(table, &config, &view, &level));
    config.page_after_ms = 10000;
    /* That there was no swap does not keep it from the disk. */
    memcpy(frozen->pause_reason, "x", 2);
    frozen->unpaged = true;
    CHECK(!wr_pause_next(table, &config, &view, &level));
    frozen->paused_ms = 40000;
    CHECK(wr_pause_next(table, &config, &view, &level) == frozen);
    CHECK_INT(level, WR_PAUSE_HIBERNATED);
    done(table);
    CHECK(!wr_pause_has_swap("Filename Type Size\n"));
    CHECK(!wr_pause_has_swap(""));
    CHECK(wr_pause_has_swap("Filename Type Size\n/dev/sda2 partition 1000\n"));
}

TEST(free_memory)
{
    CHECK_INT(wr_pause_free_pct("MemTotal:       1000 kB\nMemFree: 1 kB\n"
                                "MemAvailable:    250 kB\n"),
              25);
    CHECK_INT(wr_pause_free_pct("MemTotal: 1000 kB\n"), 0);
    CHECK_INT(wr_pause_free_pct("MemAvailable: 1000 kB\n"), 100);
    CHECK_INT(wr_pause_free_pct(""), 100);
    CHECK_INT(wr_pause_free_pct("MemTotal: x\nMemAvailable: 5 kB"), 100);
    CHECK_INT(wr_pause_free_pct("MemTotal: 5 kB\nMemAvailable: 6 kB"), 100);
}

TEST(what_is_left_of_a_life)
{
    CHECK_INT(wr_pause_remaining_ms(90000, 30000, 86400000), 60000);
    CHECK_INT(wr_pause_remaining_ms(30001, 30000, 86400000), 15000);
    CHECK_INT(wr_pause_remaining_ms(10, 30000, 86400000), 15000);
    CHECK_INT(wr_pause_remaining_ms(900000000, 0, 86400000), 86400000);
}

TEST(levels_by_name)
{
    enum wr_pause_level level = WR_PAUSE_NONE;
    for (unsigned i = 0; i < WR_PAUSE_LEVELS; i++) {
        CHECK(wr_pause_level_parse(wr_pause_level_name((enum wr_pause_level)i), &level));
        CHECK_INT(level, i);
    }
    CHECK(!wr_pause_level_parse("asleep", &level));
    CHECK_INT(wr_pause_default_level(&(struct wr_server_config){0}), WR_PAUSE_HIBERNATED);
    CHECK_INT(
        wr_pause_default_level(&(struct wr_server_config){.pause = {.level = WR_PAUSE_FROZEN}}),
        WR_PAUSE_FROZEN);
}
