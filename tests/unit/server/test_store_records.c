/* What the store records over time: events, logs, metrics, and how long it keeps them. */
#include "base/buf.h"
#include "base/str.h"
#include "store_fixture.h"
#include "test.h"

#define T0      ((uint64_t)1700000000000) /* not the start of any step */
#define MINUTE  ((uint64_t)60000)
#define HOUR    (60 * MINUTE)
#define DAY     (24 * HOUR)
#define SANDBOX "s0000000000000000001"

/* ---- logs ---- */

static void append_entry(const struct wr_log_entry *entry, void *data)
{
    CHECK(wr_buf_printf(data, "%u:%d:%s:%s:%s;", (unsigned)(entry->at_ms - T0), (int)entry->level,
                        entry->message, entry->fields, entry->type ? entry->type : "") >= 0);
}

static void check_log(const struct store_fixture *f, struct wr_log_query query,
                      const char *expected)
{
    wr_auto_buf text = WR_BUF(4096);
    struct wr_error err = {0};

    query.sandbox_id = SANDBOX;
    query.cursor_ms += T0;
    CHECK_INT(wr_store_log_read(f->store, &query, append_entry, &text, &err), 0);
    CHECK_INT(wr_buf_append(&text, "", 1), 0);
    CHECK_STR(wr_buf_ptr(&text), expected);
}

TEST(logs_are_read_in_both_directions)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};

    CHECK_INT(store_add_event(f.store, SANDBOX, "team", "sandbox.lifecycle.created", "{\"a\":1}",
                              T0 + 1, &err),
              0);
    CHECK_INT(store_add_event(f.store, "other", "team2", "x", NULL, T0 + 2, &err), 0);
    const struct wr_log_entry warn = {T0 + 3, WR_LEVEL_WARN, "50%_done", "{\"k\":\"v\"}", NULL};
    const struct wr_log_entry debug = {T0 + 3, WR_LEVEL_DEBUG, "500 done", "{}", NULL};
    CHECK_INT(wr_store_log_add(f.store, SANDBOX, &warn, &err), 0);
    CHECK_INT(wr_store_log_add(f.store, SANDBOX, &debug, &err), 0);

#define CREATED "1:1:Sandbox created:{\"a\":1}:sandbox.lifecycle.created;"
#define WARN    "3:2:50%_done:{\"k\":\"v\"}:;"
#define DEBUG   "3:0:500 done:{}:;"
    check_log(&f, (struct wr_log_query){.limit = 9}, CREATED WARN DEBUG);
    check_log(&f, (struct wr_log_query){.limit = 9, .cursor_ms = 2}, WARN DEBUG);
    check_log(&f, (struct wr_log_query){.limit = 9, .cursor_ms = 3, .backward = true},
              DEBUG WARN CREATED);
    check_log(&f, (struct wr_log_query){.limit = 9, .cursor_ms = 2, .backward = true}, CREATED);
    check_log(&f, (struct wr_log_query){.limit = 1, .cursor_ms = 3, .backward = true}, DEBUG);
    check_log(&f, (struct wr_log_query){.limit = 9, .level = WR_LEVEL_WARN}, WARN);
    /* No pattern: a percent sign is one. */
    check_log(&f, (struct wr_log_query){.limit = 9, .search = "50%"}, WARN);
    store_stop(&f);
}

TEST(the_team_of_a_gone_sandbox_is_known)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    char team[WR_UUID_LEN + 1] = "";
    const struct wr_log_entry line = {T0 + 9, WR_LEVEL_INFO, "m", "{}", NULL};

    CHECK_INT(wr_store_event_team(f.store, SANDBOX, team, &err), -WR_E_NOT_FOUND);
    CHECK_INT(store_add_event(f.store, SANDBOX, "mine", "t", NULL, T0, &err), 0);
    CHECK_INT(wr_store_log_add(f.store, SANDBOX, &line, &err), 0);
    CHECK_INT(wr_store_event_team(f.store, SANDBOX, team, &err), 0);
    CHECK_STR(team, "mine");
    store_stop(&f);
}

/* ---- metrics ---- */

struct seen {
    unsigned count;
    uint64_t first_ms, last_ms;
};

static void see(const struct wr_metric *metric, void *data)
{
    struct seen *seen = data;

    CHECK(seen->count == 0 || metric->at_ms > seen->last_ms);
    if (seen->count++ == 0)
        seen->first_ms = metric->at_ms;
    seen->last_ms = metric->at_ms;
}

static struct seen metrics_between(const struct store_fixture *f, uint64_t start_ms,
                                   uint64_t end_ms, uint32_t step_s)
{
    const struct wr_metrics_query query = {SANDBOX, start_ms, end_ms, step_s};
    struct wr_error err = {0};
    struct seen seen = {0};

    CHECK_INT(wr_store_metrics_read(f->store, &query, see, &seen, &err), 0);
    return seen;
}

/* A sample every 5 s, from the first to before the second time. */
static void fill(const struct store_fixture *f, uint64_t from_ms, uint64_t to_ms)
{
    static struct wr_metric batch[DAY / 5000];
    struct wr_error err = {0};
    size_t count = 0;

    for (uint64_t at = from_ms; at < to_ms; at += 5000) {
        CHECK(count < WR_ARRAY_SIZE(batch));
        batch[count++] = (struct wr_metric){.sandbox_id = SANDBOX, .at_ms = at, .cpu_count = 2};
    }
    CHECK_INT(wr_store_metrics_add(f->store, batch, count, &err), 0);
}

TEST(metrics_are_read_in_steps)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    const struct wr_metric other = {.sandbox_id = "s0000000000000000002", .at_ms = T0 + 1};
    struct wr_metric latest;

    CHECK_INT(store_add_sandbox(f.store, SANDBOX, &err), 0);
    CHECK_INT(store_add_sandbox(f.store, other.sandbox_id, &err), 0);
    CHECK_INT(wr_store_metrics_latest(f.store, SANDBOX, &latest, &err), 0);
    fill(&f, T0, T0 + 20 * MINUTE);
    fill(&f, T0, T0 + 1 * MINUTE); /* once more the same times: the first ones stay */
    CHECK_INT(wr_store_metrics_add(f.store, &other, 1, &err), 0);
    CHECK_INT(metrics_between(&f, 0, UINT64_MAX, 5).count, 240);
    CHECK_INT(metrics_between(&f, T0 - MINUTE, T0 - 1, 5).count, 0);
    CHECK_INT(metrics_between(&f, T0 + 5000, T0 + 10000, 5).count, 2);
    CHECK_INT(metrics_between(&f, T0 + 5000, T0 + 10000, 5).first_ms, T0 + 5000);
    /* T0 lies within a step, so there is one step more than there are half minutes. */
    CHECK_INT(metrics_between(&f, T0, T0 + 20 * MINUTE, 30).count, 41);
    CHECK_INT(wr_store_metrics_latest(f.store, SANDBOX, &latest, &err), 1);
    CHECK_INT(latest.at_ms, T0 + 20 * MINUTE - 5000);
    CHECK_INT(latest.cpu_count, 2);

    CHECK_INT(wr_store_sandbox_remove(f.store, SANDBOX, &err), 0);
    fill(&f, T0, T0 + MINUTE); /* were on their way */
    CHECK_INT(metrics_between(&f, 0, UINT64_MAX, 5).count, 0);
    CHECK_INT(wr_store_metrics_latest(f.store, "s0000000000000000002", &latest, &err), 1);
    store_stop(&f);
}

/* Calls until nothing is left to do; the number of calls. */
static unsigned expire(const struct store_fixture *f, uint64_t now_ms)
{
    struct wr_error err = {0};
    unsigned calls = 1;
    int r;

    while ((r = wr_store_expire(f->store, now_ms, &err)) > 0)
        CHECK(++calls < 100);
    CHECK_INT(r, 0);
    return calls;
}

/* For each age as many samples as the API shows of it. */
TEST(metrics_thin_out_with_age)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    uint64_t now = T0 + DAY;

    CHECK_INT(store_add_sandbox(f.store, SANDBOX, &err), 0);
    fill(&f, T0, now);
    CHECK(expire(&f, now) > 2); /* a bounded part of it at a time */
    CHECK_INT(metrics_between(&f, now - HOUR, now, 5).count, 720);
    unsigned medium = metrics_between(&f, now - 6 * HOUR, now - HOUR - 1, 5).count;
    CHECK(medium >= 599 && medium <= 601);
    unsigned coarse = metrics_between(&f, T0, now - 6 * HOUR - 1, 5).count;
    CHECK(coarse >= 215 && coarse <= 217);
    CHECK_INT(expire(&f, now), 1);
    expire(&f, now + HOUR);
    CHECK_INT(metrics_between(&f, 0, T0 + HOUR - 1, 5).count, 0);
    expire(&f, now + DAY + 1);
    CHECK_INT(metrics_between(&f, 0, UINT64_MAX, 5).count, 0);
    store_stop(&f);
}

TEST(events_stay_seven_days)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};

    for (uint64_t day = 0; day < 9; day++)
        CHECK_INT(store_add_event(f.store, SANDBOX, "t", "x", NULL, T0 + day * DAY, &err), 0);
    /* Written while the clock was wrong. */
    CHECK_INT(store_add_event(f.store, SANDBOX, "t", "x", NULL, T0 + 400 * DAY, &err), 0);
    expire(&f, T0 + 8 * DAY);
    CHECK_INT(store_number(&f, "SELECT count(*) FROM events"), 8);
    expire(&f, T0 + 30 * DAY);
    CHECK_INT(store_number(&f, "SELECT count(*) FROM events"), 0);
    store_stop(&f);
}

TEST(one_expiry_removes_a_bounded_number)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};

    for (unsigned i = 0; i < 2100; i++)
        CHECK_INT(store_add_event(f.store, SANDBOX, "t", "x", NULL, T0, &err), 0);
    CHECK_INT(wr_store_expire(f.store, T0 + 8 * DAY, &err), 1);
    CHECK_INT(store_number(&f, "SELECT count(*) FROM events"), 100);
    CHECK_INT(wr_store_expire(f.store, T0 + 8 * DAY, &err), 0);
    CHECK_INT(store_number(&f, "SELECT count(*) FROM events"), 0);
    store_stop(&f);
}

/* ---- teams ---- */

static void append_team_metric(const struct wr_team_metric *metric, void *data)
{
    CHECK(wr_buf_printf(data, "%u:%u:%.1f;", (unsigned)(metric->at_ms - T0) / 1000,
                        (unsigned)metric->sandboxes, metric->starts_per_s) >= 0);
}

TEST(team_metrics)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    struct wr_team team;
    wr_auto_buf text = WR_BUF(4096);
    char id[21];

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    for (unsigned round = 0; round < 6; round++) {
        CHECK_INT(wr_store_team_metrics_sample(f.store, T0 + round * 5000, &err), 0);
        for (unsigned i = 0; i < 5 && round < 2; i++) {
            store_id(round * 5 + i, id);
            CHECK_INT(store_add_sandbox(f.store, id, &err), 0);
            CHECK_INT(store_add_event(f.store, id, team.id, "sandbox.lifecycle.created", NULL,
                                      T0 + round * 5000 + 1, &err),
                      0);
            if (round == 1)
                CHECK_INT(wr_store_sandbox_remove(f.store, id, &err), 0);
        }
        for (unsigned i = 0; i < 5 && round == 2; i++) {
            store_id(i, id);
            CHECK_INT(wr_store_sandbox_remove(f.store, id, &err), 0);
        }
    }
    const struct wr_metrics_query query = {team.id, T0, T0 + 60000, 5};
    CHECK_INT(wr_store_team_metrics_read(f.store, &query, append_team_metric, &text, &err), 0);
    CHECK_INT(wr_buf_append(&text, "", 1), 0);
    CHECK_STR(wr_buf_ptr(&text), "5:5:1.0;10:5:1.0;15:0:0.0;");
    store_stop(&f);
}
