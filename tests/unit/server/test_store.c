#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "server/store/schema.h"
#include "store_fixture.h"
#include "test.h"

static struct wr_api_key key_of(const char *team_id, uint8_t seed)
{
    struct wr_api_key key = {.name = "k",
                             .mask_prefix = "ab",
                             .mask_suffix = "cdef",
                             .value_len = 40,
                             .created_ms = 1000u + seed};

    memset(key.hash, seed, sizeof key.hash);
    wr_uuid_new(key.id);
    CHECK(wr_strcopy(key.team_id, sizeof key.team_id, team_id));
    return key;
}

TEST(uuids)
{
    char one[WR_UUID_LEN + 1], two[WR_UUID_LEN + 1];

    wr_uuid_new(one);
    wr_uuid_new(two);
    CHECK(wr_uuid_valid(one) && wr_uuid_valid(two) && !wr_streq(one, two));
    CHECK(one[14] == '4' && strchr("89ab", one[19]));
    CHECK(!wr_uuid_valid(""));
    CHECK(!wr_uuid_valid("0123456789ab"));
    one[WR_UUID_LEN - 1] = 'g';
    CHECK(!wr_uuid_valid(one));
    CHECK(!wr_uuid_valid("00000000-0000-4000-8000-0000000000000"));
}

/* Names, tokens and hashes of keys are nobody else's business. */
TEST(only_the_owner_can_read_it)
{
    struct store_fixture f = store_start();
    struct stat st;

    CHECK(stat(f.path, &st) == 0 && (st.st_mode & 0777) == 0600);
    char wal[128];
    CHECK(wr_strformat(wal, sizeof wal, "%s-wal", f.path));
    CHECK(stat(wal, &st) == 0 && (st.st_mode & 0777) == 0600);
    store_stop(&f);
}

TEST(teams)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    struct wr_team first, again, team = {.name = "Blue Team", .slug = "blue-team", .created_ms = 7};

    CHECK_INT(wr_store_default_team(f.store, &first, &err), 0);
    CHECK(wr_uuid_valid(first.id) && first.created_ms > 0);
    store_reopen(&f);
    CHECK_INT(wr_store_default_team(f.store, &again, &err), 0);
    CHECK_STR(again.id, first.id);

    wr_uuid_new(team.id);
    CHECK_INT(wr_store_team_add(f.store, &team, &err), 0);
    CHECK_INT(wr_store_team_find(f.store, "Blue Team", &again, &err), 0);
    CHECK_INT(wr_store_team_find(f.store, "blue-team", &again, &err), 0);
    CHECK_STR(again.id, team.id);
    CHECK_INT(again.created_ms, 7);
    CHECK_INT(wr_store_team_get(f.store, team.id, &again, &err), 0);
    CHECK_STR(again.name, "Blue Team");
    CHECK_INT(wr_store_team_get(f.store, "x", &again, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_team_find(f.store, "x", &again, &err), -WR_E_NOT_FOUND);
    wr_uuid_new(team.id);
    CHECK_INT(wr_store_team_add(f.store, &team, &err), -WR_E_ALREADY_EXISTS);
    store_stop(&f);
}

static bool count_key(const struct wr_api_key *key, void *data)
{
    (void)key;
    ++*(int *)data;
    return true;
}

TEST(keys)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    struct wr_team team, other = {.name = "other", .slug = "other"};
    struct wr_api_key found;
    int count = 0;

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    wr_uuid_new(other.id);
    CHECK_INT(wr_store_team_add(f.store, &other, &err), 0);
    struct wr_api_key key = key_of(team.id, 1), foreign = key_of(other.id, 0xf2);
    struct wr_api_key orphan = key_of("nobody", 3);
    CHECK_INT(wr_store_key_add(f.store, &key, &err), 0);
    CHECK_INT(wr_store_key_add(f.store, &foreign, &err), 0);
    CHECK_INT(wr_store_key_add(f.store, &key, &err), -WR_E_ALREADY_EXISTS);
    CHECK_INT(wr_store_key_add(f.store, &orphan, &err), -WR_E_NOT_FOUND);

    CHECK_INT(wr_store_key_find(f.store, foreign.hash, &found, &err), 0);
    CHECK_STR(found.id, foreign.id);
    CHECK_STR(found.mask_prefix, "ab");
    CHECK_STR(found.mask_suffix, "cdef");
    CHECK(memcmp(found.hash, foreign.hash, sizeof found.hash) == 0);
    CHECK_INT(found.value_len, 40);
    CHECK_INT(found.last_used_ms, 0);
    CHECK_INT(wr_store_key_find(f.store, orphan.hash, &found, &err), -WR_E_NOT_FOUND);

    CHECK_INT(wr_store_key_each(f.store, team.id, count_key, &count, &err), 0);
    CHECK_INT(count, 1);
    CHECK_INT(wr_store_key_each(f.store, NULL, count_key, &count, &err), 0);
    CHECK_INT(count, 3);

    CHECK_INT(wr_store_key_used(f.store, key.id, 99, &err), 0);
    CHECK_INT(wr_store_key_rename(f.store, other.id, key.id, "x", &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_key_rename(f.store, team.id, key.id, "new", &err), 0);
    CHECK_INT(wr_store_key_get(f.store, key.id, &found, &err), 0);
    CHECK_STR(found.name, "new");
    CHECK_INT(found.last_used_ms, 99);
    CHECK_INT(wr_store_key_remove(f.store, team.id, foreign.id, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_key_remove(f.store, NULL, foreign.id, &err), 0);
    CHECK_INT(wr_store_key_find(f.store, foreign.hash, &found, &err), -WR_E_NOT_FOUND);
    store_stop(&f);
}

static void check_sandbox(const struct wr_store_sandbox *sandbox, void *data)
{
    CHECK_STR(sandbox->envd_token, "e");
    CHECK_STR(sandbox->traffic_token, "t");
    CHECK_INT(sandbox->deadline_ms, 2000);
    CHECK_STR(sandbox->settings, "{}");
    ++*(int *)data;
}

static void count_id(const char *id, void *data)
{
    CHECK(wr_id_valid(id));
    ++*(int *)data;
}

TEST(sandboxes)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    char id[21];
    int count = 0;

    store_id(1, id);
    CHECK_INT(store_add_sandbox(f.store, id, &err), 0);
    CHECK_INT(store_add_sandbox(f.store, id, &err), -WR_E_ALREADY_EXISTS);
    const struct wr_store_sandbox orphan = {
        .id = "x", .team_id = "nobody", .envd_token = "", .traffic_token = "", .settings = "{}"};
    CHECK_INT(wr_store_sandbox_add(f.store, &orphan, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_sandbox_set_deadline(f.store, id, 2000, &err), 0);
    CHECK_INT(wr_store_sandbox_set_settings(f.store, id, "{}", &err), 0);
    CHECK_INT(wr_store_sandbox_set_deadline(f.store, "x", 2000, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_sandbox_set_settings(f.store, "x", "{}", &err), -WR_E_NOT_FOUND);
    store_reopen(&f);
    CHECK_INT(wr_store_sandbox_get(f.store, id, check_sandbox, &count, &err), 0);
    CHECK_INT(count, 1);
    CHECK_INT(wr_store_sandbox_each_id(f.store, count_id, &count, &err), 0);
    CHECK_INT(count, 2);
    CHECK_INT(wr_store_sandbox_remove(f.store, id, &err), 0);
    CHECK_INT(wr_store_sandbox_remove(f.store, id, &err), 0);
    CHECK_INT(wr_store_sandbox_get(f.store, id, check_sandbox, &count, &err), -WR_E_NOT_FOUND);
    store_stop(&f);
}

static void copy_row(const struct wr_store_sandbox *row, void *data)
{
    struct wr_store_sandbox *copy = data;

    CHECK_STR(row->control_token, "c");
    CHECK_STR(row->env, "{\"K\":\"v\"}");
    CHECK_STR(row->parent_snapshot, "p");
    CHECK_STR(row->snapshot_template, "st");
    CHECK_STR(row->snapshot_name, "sn");
    *copy = *row;
}

/* What a pause and a resume change, and what they keep. */
TEST(sandboxes_that_are_paused)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    struct wr_team team;
    struct wr_store_sandbox seen;
    char id[21];

    store_id(1, id);
    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    const struct wr_store_sandbox row = {.id = id,
                                         .team_id = team.id,
                                         .envd_token = "e",
                                         .traffic_token = "t",
                                         .control_token = "c",
                                         .deadline_ms = 1000,
                                         .timeout_ms = 700,
                                         .settings = "{}",
                                         .env = "{\"K\":\"v\"}",
                                         .parent_snapshot = "p",
                                         .snapshot_template = "st",
                                         .snapshot_name = "sn"};
    CHECK_INT(wr_store_sandbox_add(f.store, &row, &err), 0);
    CHECK_INT(wr_store_sandbox_paused(f.store, id, true, &err), 0);
    CHECK_INT(wr_store_sandbox_resume_at_start(f.store, id, true, &err), 0);
    store_reopen(&f);
    CHECK_INT(wr_store_sandbox_get(f.store, id, copy_row, &seen, &err), 0);
    CHECK(seen.paused && seen.unresponsive && seen.resume_at_start);
    CHECK(seen.timeout_ms == 700 && seen.deadline_ms == 1000 && seen.started_ms == 0);
    CHECK_INT(wr_store_sandbox_resumed(f.store, id, 5000, 9000, &err), 0);
    CHECK_INT(wr_store_sandbox_get(f.store, id, copy_row, &seen, &err), 0);
    CHECK(!seen.paused && !seen.unresponsive && !seen.resume_at_start);
    CHECK(seen.timeout_ms == 700 && seen.deadline_ms == 9000 && seen.started_ms == 5000);
    CHECK_INT(wr_store_sandbox_paused(f.store, "x", false, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_sandbox_resumed(f.store, "x", 1, 1, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_sandbox_resume_at_start(f.store, "x", true, &err), -WR_E_NOT_FOUND);
    store_stop(&f);
}

TEST(what_was_synced_is_said)
{
    struct store_fixture f = store_start();
    struct pollfd news = {.fd = wr_store_sync_fd(f.store), .events = POLLIN};
    uint64_t first = wr_store_sync(f.store), second = wr_store_sync(f.store);
    eventfd_t count;
    int r;

    CHECK(second > first);
    while ((r = wr_store_synced(f.store, second)) == 0) {
        CHECK_INT(poll(&news, 1, 20000), 1);
        CHECK_INT(eventfd_read(news.fd, &count), 0);
    }
    CHECK_INT(r, 1);
    CHECK_INT(wr_store_synced(f.store, first), 1);
    CHECK_INT(wr_store_synced(f.store, second + 1), 0);
    store_stop(&f);
}

/* ---- versions ---- */

/* As the first version did it. */
static void add_old_sandbox(struct wr_store *store, const char *team_id, const char *id)
{
    char sql[256];
    struct wr_error err = {0};

    CHECK(wr_strformat(sql, sizeof sql,
                       "INSERT INTO sandboxes (id, team_id, envd_token, traffic_token, "
                       "deadline_ms, settings) VALUES ('%s', '%s', 'e', 't', 1000, '{}')",
                       id, team_id));
    CHECK_INT(wr_db_script(store, sql, &err), 0);
}

static void look_at_old(const struct wr_store_sandbox *row, void *data)
{
    int *seen = data;

    CHECK_STR(row->envd_token, "e");
    CHECK_STR(row->control_token, "");
    CHECK_STR(row->env, "{}");
    CHECK(row->started_ms == 0 && !row->unresponsive && !row->resume_at_start);
    ++*seen;
}

/* What each version can hold is still there after the steps to the newest. */
TEST(every_version_becomes_the_newest)
{
    for (uint64_t version = 1; version <= wr_schema_newest(); version++) {
        struct store_fixture f = store_start();
        struct wr_error err = {0};
        struct wr_store old = {0};
        struct wr_team team;
        char id[21];
        int count = 0;

        f.store = wr_store_free(f.store);
        CHECK(unlink(f.path) == 0);
        CHECK(wr_strcopy(old.path, sizeof old.path, f.path));
        CHECK_INT(wr_db_open(&old, &err), 0);
        CHECK_INT(wr_schema_migrate(&old, version, &err), 0);
        store_id(1, id);
        CHECK_INT(wr_store_default_team(&old, &team, &err), 0);
        add_old_sandbox(&old, team.id, id);
        struct wr_api_key key = key_of(team.id, 1);
        CHECK_INT(wr_store_key_add(&old, &key, &err), 0);
        wr_db_close(&old);
        CHECK_INT(store_number(&f, "PRAGMA user_version"), version);

        store_reopen(&f);
        CHECK_INT(store_number(&f, "PRAGMA user_version"), wr_schema_newest());
        CHECK_INT(store_number(&f, "PRAGMA application_id"), WR_STORE_APPLICATION_ID);
        CHECK_INT(wr_store_key_find(f.store, key.hash, &key, &err), 0);
        CHECK_INT(wr_store_sandbox_each_id(f.store, count_id, &count, &err), 0);
        CHECK_INT(count, 1);
        CHECK_INT(wr_store_sandbox_get(f.store, id, look_at_old, &count, &err), 0);
        CHECK_INT(count, 2);
        store_stop(&f);
    }
}

static void check_refused(struct store_fixture *f, int code, const char *text)
{
    struct wr_error err = {0};
    struct wr_store *store = NULL;

    CHECK_INT(wr_store_open(f->dir, &store, &err), -code);
    CHECK(!store);
    if (!strstr(err.msg, text) || !strstr(err.msg, f->path))
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

static void run_sql(const struct store_fixture *f, const char *sql)
{
    sqlite3 *db = NULL;

    CHECK(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
}

TEST(a_newer_version_is_refused)
{
    struct store_fixture f = store_start();

    f.store = wr_store_free(f.store);
    run_sql(&f, "PRAGMA user_version = 1000");
    check_refused(&f, WR_E_FAILED_PRECONDITION, "newer Warren");
    CHECK_INT(store_number(&f, "PRAGMA user_version"), 1000);
    store_stop(&f);
}

TEST(a_database_of_another_program_is_refused)
{
    struct store_fixture f = store_start();

    f.store = wr_store_free(f.store);
    run_sql(&f, "PRAGMA application_id = 7");
    check_refused(&f, WR_E_FAILED_PRECONDITION, "another program");
    CHECK(unlink(f.path) == 0);
    CHECK_INT(wr_file_replace(AT_FDCWD, f.path, "", 0, 0600, WR_VOLATILE), 0);
    run_sql(&f, "CREATE TABLE own (a)");
    check_refused(&f, WR_E_FAILED_PRECONDITION, "another program");
    store_stop(&f);
}

TEST(damage_is_named_with_its_remedy)
{
    struct store_fixture f = store_start();
    char text[8192];

    f.store = wr_store_free(f.store);
    memset(text, 'x', sizeof text);
    CHECK_INT(wr_file_replace(AT_FDCWD, f.path, text, sizeof text, 0600, WR_VOLATILE), 0);
    check_refused(&f, WR_E_DATA_LOSS, "restore a copy");
    store_stop(&f);

    /* The first page is whole, what it leads to is not. */
    f = store_start();
    f.store = wr_store_free(f.store);
    wr_auto_close int fd = open(f.path, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = 4096; at + (off_t)sizeof text / 2 <= size; at += (off_t)sizeof text / 2)
        CHECK(pwrite(fd, text, sizeof text / 2, at) == (ssize_t)sizeof text / 2);
    struct wr_error err = {0};
    int r = wr_store_open(f.dir, &f.store, &err);
    struct wr_team team;
    if (r == 0)
        r = wr_store_default_team(f.store, &team, &err);
    CHECK_INT(r, -WR_E_DATA_LOSS);
    CHECK(strstr(err.msg, f.path) && strstr(err.msg, "restore a copy"));
    store_stop(&f);
}

TEST(a_directory_that_is_not_there)
{
    struct store_fixture f = {.dir = "/tmp/wr-store-missing", .path = "/tmp/wr-store-missing/"};

    check_refused(&f, WR_E_NOT_FOUND, "warren.db");
}

/* ---- kill -9 ---- */

/* Adds sandboxes and changes them until it is killed; reports each number once it is stored. */
static void write_for_ever(const struct store_fixture *f, unsigned from, int report)
{
    struct wr_error err = {0};
    struct wr_store *store = NULL;
    char id[21];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (wr_store_open(f->dir, &store, &err) < 0)
        _exit(1);
    for (unsigned i = from;; i++) {
        store_id(i, id);
        if (store_add_sandbox(store, id, &err) < 0 ||
            store_add_event(store, id, "team", "sandbox.lifecycle.created", NULL, i, &err) < 0 ||
            wr_store_sandbox_set_deadline(store, id, i, &err) < 0)
            _exit(2);
        if (wr_write_all(report, &i, sizeof i) < 0)
            _exit(3);
    }
}

static void check_deadline(const struct wr_store_sandbox *sandbox, void *data)
{
    CHECK_INT(sandbox->deadline_ms, *(unsigned *)data);
}

#define KILLS 40

TEST(what_was_acknowledged_survives_a_kill)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    unsigned next = 1;
    char id[21];

    f.store = wr_store_free(f.store);
    for (unsigned round = 0; round < KILLS; round++) {
        int report[2];
        CHECK(pipe2(report, O_CLOEXEC) == 0);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0)
            write_for_ever(&f, next, report[1]);
        close(report[1]);
        /* At another moment of a write each time: after some rows and a bit. */
        unsigned last = next - 1;
        for (unsigned i = 0; i < 20; i++)
            CHECK_INT(wr_read_full(report[0], &last, sizeof last), sizeof last);
        usleep(37 * round);
        CHECK(kill(pid, SIGKILL) == 0);
        while (wr_read_full(report[0], &last, sizeof last) == sizeof last)
            continue;
        int status = 0;
        CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
        close(report[0]);

        store_reopen(&f);
        CHECK_INT(store_number(&f, "SELECT count(*) FROM pragma_integrity_check "
                                   "WHERE integrity_check <> 'ok'"),
                  0);
        for (unsigned i = 1; i <= last; i++) {
            store_id(i, id);
            CHECK_INT(wr_store_sandbox_get(f.store, id, check_deadline, &i, &err), 0);
        }
        /* One more may be there, stored and not reported any more. */
        store_id(last + 1, id);
        CHECK_INT(wr_store_sandbox_remove(f.store, id, &err), 0);
        next = last + 1;
        f.store = wr_store_free(f.store);
    }
    CHECK(next > KILLS * 20);
    store_stop(&f);
}
