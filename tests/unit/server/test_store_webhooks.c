#include "base/str.h"
#include "store_fixture.h"
#include "test.h"

#define A   "aaaaaaaaaaaaaaaaaaaa"
#define B   "bbbbbbbbbbbbbbbbbbbb"
#define URL "https://example.org/x"

static const char *default_team(struct store_fixture *f)
{
    static struct wr_team team;
    struct wr_error err = {0};

    CHECK_INT(wr_store_default_team(f->store, &team, &err), 0);
    return team.id;
}

static void add(struct store_fixture *f, const char *sandbox, const char *team, const char *kind,
                const char *about)
{
    char type[64];
    struct wr_error err = {0};

    CHECK(wr_strformat(type, sizeof type, "sandbox.lifecycle.%s", kind));
    const struct wr_store_event event = {
        .sandbox_id = sandbox, .team_id = team, .type = type, .about = about, .at_ms = 1000};
    CHECK_INT(wr_store_events_add(f->store, &event, 1, &err), 0);
}

/* ---- events ---- */

struct found {
    char text[256]; /* "<id><first letter of the kind> ..." */
    size_t count, stop_after;
};

static bool note(const struct wr_store_event *event, void *data)
{
    struct found *found = data;
    size_t len = strlen(found->text);

    CHECK(wr_strformat(found->text + len, sizeof found->text - len, "%llu%c ",
                       (unsigned long long)event->id, strrchr(event->type, '.')[1]));
    return ++found->count != found->stop_after;
}

static const char *listed(struct store_fixture *f, struct wr_store_event_query query)
{
    static struct found found;
    struct wr_error err = {0};

    found = (struct found){.text = ""};
    query.team_id = query.team_id ? query.team_id : "";
    query.sandbox_id = query.sandbox_id ? query.sandbox_id : "";
    query.limit = query.limit ? query.limit : 100;
    CHECK_INT(wr_store_events_read(f->store, &query, note, &found, &err), 0);
    return found.text;
}

TEST(events)
{
    struct store_fixture f = store_start();
    const char *team = default_team(&f);
    const struct wr_log_entry line = {.at_ms = 1, .message = "m", .fields = "{}"};
    struct wr_error err = {0};
    uint64_t newest = 9;

    CHECK_INT(wr_store_event_newest(f.store, &newest, &err), 0);
    CHECK_INT(newest, 0);
    add(&f, A, team, "created", "{\"id\":\"1\"}");
    add(&f, B, "another", "created", NULL);
    CHECK_INT(wr_store_log_add(f.store, A, &line, &err), 0);
    add(&f, A, team, "paused", NULL);
    add(&f, B, team, "killed", NULL);

    CHECK_STR(listed(&f, (struct wr_store_event_query){0}), "1c 2c 4p 5k ");
    CHECK_STR(listed(&f, (struct wr_store_event_query){.descending = true}), "5k 4p 2c 1c ");
    CHECK_STR(listed(&f, (struct wr_store_event_query){.team_id = team}), "1c 4p 5k ");
    CHECK_STR(listed(&f, (struct wr_store_event_query){.team_id = team, .descending = true}),
              "5k 4p 1c ");
    CHECK_STR(listed(&f, (struct wr_store_event_query){.sandbox_id = B}), "2c 5k ");
    CHECK_STR(listed(&f, (struct wr_store_event_query){.sandbox_id = B, .team_id = team}), "5k ");
    CHECK_STR(
        listed(&f, (struct wr_store_event_query){.sandbox_id = A, .offset = 1, .descending = true}),
        "1c ");
    CHECK_STR(listed(&f, (struct wr_store_event_query){.after = 2, .limit = 1}), "4p ");
    wr_event_set types = wr_event_type_bit("sandbox.lifecycle.created") |
                         wr_event_type_bit("sandbox.lifecycle.killed");
    CHECK_STR(listed(&f, (struct wr_store_event_query){.types = types, .team_id = team}), "1c 5k ");
    CHECK_STR(listed(&f, (struct wr_store_event_query){.team_id = "none"}), "");
    CHECK_INT(wr_store_event_newest(f.store, &newest, &err), 0);
    CHECK_INT(newest, 5);
    store_stop(&f);
}

TEST(reading_stops)
{
    struct store_fixture f = store_start();
    const struct wr_store_event_query query = {.team_id = "", .sandbox_id = "", .limit = 10};
    struct found found = {.stop_after = 2};
    struct wr_error err = {0};

    for (int i = 0; i < 3; i++)
        add(&f, A, default_team(&f), "created", NULL);
    CHECK_INT(wr_store_events_read(f.store, &query, note, &found, &err), 0);
    CHECK_STR(found.text, "1c 2c ");
    store_stop(&f);
}

static bool check_about(const struct wr_store_event *event, void *data)
{
    CHECK_STR(event->about, data);
    CHECK_STR(event->detail, "{}");
    CHECK_INT(event->at_ms, 1000);
    return true;
}

TEST(one_event)
{
    struct store_fixture f = store_start();
    char about[] = "{\"id\":\"x\"}", nothing[] = "{}";
    struct wr_error err = {0};

    add(&f, A, default_team(&f), "created", about);
    add(&f, A, default_team(&f), "killed", NULL);
    CHECK_INT(wr_store_event_get(f.store, 1, check_about, about, &err), 0);
    CHECK_INT(wr_store_event_get(f.store, 2, check_about, nothing, &err), 0);
    CHECK_INT(wr_store_event_get(f.store, 3, check_about, nothing, &err), -WR_E_NOT_FOUND);
    store_stop(&f);
}

/* ---- webhooks ---- */

static struct wr_store_webhook row(struct store_fixture *f, const char *name)
{
    struct wr_store_webhook webhook = {
        .url = URL, .types = 5, .enabled = true, .local = true, .created_ms = 7, .cursor = 3};

    wr_uuid_new(webhook.id);
    CHECK(wr_strcopy(webhook.team_id, sizeof webhook.team_id, default_team(f)));
    CHECK(wr_strcopy(webhook.name, sizeof webhook.name, name));
    return webhook;
}

struct seen {
    struct wr_store_webhook last;
    char url[64];
    size_t count;
};

static void see(const struct wr_store_webhook *webhook, void *data)
{
    struct seen *seen = data;

    seen->last = *webhook;
    CHECK(wr_strcopy(seen->url, sizeof seen->url, webhook->url));
    seen->count++;
}

static struct seen all(struct store_fixture *f)
{
    struct seen seen = {.count = 0};
    struct wr_error err = {0};

    CHECK_INT(wr_store_webhook_each(f->store, see, &seen, &err), 0);
    return seen;
}

static const char *secret_of(struct store_fixture *f, const char *id)
{
    static char text[64];
    wr_auto_buf secret = WR_BUF(60);
    struct wr_error err = {0};

    CHECK_INT(wr_store_webhook_secret(f->store, id, &secret, &err), 0);
    CHECK(wr_strformat(text, sizeof text, "%.*s", (int)secret.len, wr_buf_ptr(&secret)));
    return text;
}

TEST(a_life)
{
    struct store_fixture f = store_start();
    struct wr_store_webhook webhook = row(&f, "one");
    struct wr_webhook_counts counts = {
        .delivered = 4, .dropped = 1, .delivered_ms = 8, .failed_ms = 9, .failure = "no"};
    struct wr_error err = {0};

    CHECK_INT(wr_store_webhook_add(f.store, &webhook, "first", &err), 0);
    CHECK_STR(secret_of(&f, webhook.id), "first");
    CHECK_INT(wr_store_webhook_progress(f.store, webhook.id, 12, &counts, &err), 0);
    store_reopen(&f);
    struct seen seen = all(&f);
    CHECK_INT(seen.count, 1);
    CHECK_STR(seen.last.id, webhook.id);
    CHECK_STR(seen.last.name, "one");
    CHECK_STR(seen.url, URL);
    CHECK(seen.last.enabled && seen.last.local);
    CHECK_INT(seen.last.types, 5);
    CHECK_INT(seen.last.cursor, 12);
    CHECK_INT(seen.last.counts.delivered, 4);
    CHECK_INT(seen.last.counts.dropped, 1);
    CHECK_STR(seen.last.counts.failure, "no");

    webhook.url = "http://example.org/y";
    webhook.enabled = webhook.local = false;
    webhook.types = 1;
    webhook.cursor = 20;
    CHECK_INT(wr_store_webhook_change(f.store, &webhook, NULL, &err), 0);
    CHECK_STR(secret_of(&f, webhook.id), "first");
    CHECK_INT(wr_store_webhook_change(f.store, &webhook, "second", &err), 0);
    CHECK_STR(secret_of(&f, webhook.id), "second");
    seen = all(&f);
    CHECK_STR(seen.url, "http://example.org/y");
    CHECK(!seen.last.enabled && !seen.last.local);
    CHECK_INT(seen.last.cursor, 20);
    CHECK_INT(seen.last.counts.delivered, 4);

    CHECK_INT(wr_store_webhook_remove(f.store, webhook.id, &err), 0);
    CHECK_INT(all(&f).count, 0);
    store_stop(&f);
}

TEST(what_is_not_there)
{
    struct store_fixture f = store_start();
    struct wr_store_webhook webhook = row(&f, "one");
    wr_auto_buf secret = WR_BUF(60);
    struct wr_error err = {0};

    CHECK_INT(wr_store_webhook_change(f.store, &webhook, NULL, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_webhook_remove(f.store, webhook.id, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_webhook_progress(f.store, webhook.id, 1, &webhook.counts, &err),
              -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_webhook_secret(f.store, webhook.id, &secret, &err), -WR_E_NOT_FOUND);
    memset(webhook.team_id, 'x', WR_UUID_LEN);
    CHECK_INT(wr_store_webhook_add(f.store, &webhook, "s", &err), -WR_E_NOT_FOUND);
    store_stop(&f);
}
