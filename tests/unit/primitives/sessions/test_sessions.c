#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "sessions_fixture.h"

/* As another process would write. */
static void execute(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;

    CHECK_INT(sqlite3_open(f->path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

TEST(a_session_is_found_again_by_another_opening)
{
    struct fixture f;
    struct wr_error err = {0};
    struct wr_sandbox *sandbox = NULL;
    char id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    create(sessions, "chat-1", id);
    CHECK_STATE(sessions, "chat-1", "running");
    wr_sessions_free(sessions);
    CHECK_INT(fake_driver_alive(f.driver), 1);

    sessions = sessions_of(&f, 0);
    CHECK_INT(fake_driver_alive(f.driver), 1);
    CHECK_INT(wr_sessions_resume(sessions, "chat-1", NULL, &sandbox, &err), 0);
    CHECK_STR(wr_sandbox_id(sandbox), id);
    wr_sandbox_free(sandbox);
    CHECK_INT(wr_sessions_close(sessions, "chat-1", NULL, &err), 0);
    CHECK_INT(fake_driver_alive(f.driver), 0);
    CHECK_STATE(sessions, "chat-1", "");
    CHECK_INT(wr_sessions_close(sessions, "chat-1", NULL, &err), 0);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(an_id_is_used_once)
{
    struct fixture f;
    struct wr_error err = {0};
    struct wr_sandbox *sandbox = NULL;
    char id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0), *other = sessions_of(&f, 0);
    create(sessions, "a", id);
    CHECK_INT(wr_sessions_create(other, "a", NULL, &sandbox, &err), -WR_E_ALREADY_EXISTS);
    CHECK_INT(fake_driver_alive(f.driver), 1);
    wr_sessions_free(other);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(ids_are_checked)
{
    struct fixture f;
    struct wr_error err = {0};
    struct wr_sandbox *sandbox = NULL;
    char longest[130], id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    memset(longest, 'x', sizeof longest);
    longest[129] = '\0';
    const char *const wrong[] = {"", "a/b", "a b", "\xc3\xa4", longest};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_INT(wr_sessions_create(sessions, wrong[i], NULL, &sandbox, &err),
                  -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_sessions_resume(sessions, NULL, NULL, &sandbox, &err), -WR_E_INVALID_ARGUMENT);
    longest[128] = '\0';
    create(sessions, longest, id);
    create(sessions, "A.b_c-9", id);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(no_more_than_max)
{
    struct fixture f;
    struct wr_error err = {0};
    struct wr_sandbox *sandbox = NULL;
    char id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 2);
    create(sessions, "a", id);
    create(sessions, "b", id);
    CHECK_INT(wr_sessions_create(sessions, "c", NULL, &sandbox, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(wr_sessions_close(sessions, "a", NULL, &err), 0);
    create(sessions, "c", id);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(paused_and_resumed)
{
    struct fixture f;
    struct wr_error err = {0};
    struct wr_sandbox *sandbox = NULL;
    char id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    create(sessions, "a", id);
    CHECK_INT(wr_sessions_pause(sessions, "a", NULL, &err), 0);
    CHECK_STATE(sessions, "a", "paused");
    CHECK(fake_driver_is_paused(f.driver, id));
    /* Others may have resumed it. */
    CHECK_INT(wr_sessions_pause(sessions, "a", NULL, &err), 0);
    CHECK_INT(fake_driver_calls(f.driver, FAKE_PAUSE), 2);
    /* Pausing does not begin with a resume. */
    CHECK_INT(fake_driver_calls(f.driver, FAKE_CONNECT), 0);
    CHECK_INT(wr_sessions_resume(sessions, "a", NULL, &sandbox, &err), 0);
    CHECK_STATE(sessions, "a", "running");
    CHECK_STR(wr_sandbox_id(sandbox), id);
    CHECK(!fake_driver_is_paused(f.driver, id));
    wr_sandbox_free(sandbox);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(pausing_one_whose_sandbox_ended_forgets_it)
{
    struct fixture f;
    struct wr_error err = {0};
    struct wr_sandbox *sandbox = NULL;
    char id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    create(sessions, "a", id);
    fake_driver_lose(f.driver, id);
    CHECK_INT(wr_sessions_pause(sessions, "a", NULL, &err), -WR_E_NOT_FOUND);
    CHECK(strstr(err.msg, "has ended") != NULL);
    CHECK_INT(wr_sessions_create(sessions, "a", NULL, &sandbox, &err), 0);
    wr_sandbox_free(sandbox);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(a_server_that_cannot_pause_leaves_it_running)
{
    struct fixture f;
    struct wr_error err = {0};
    char id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    create(sessions, "a", id);
    fake_driver_fail(f.driver, FAKE_PAUSE, 1, 1, WR_E_UNIMPLEMENTED);
    CHECK_INT(wr_sessions_pause(sessions, "a", NULL, &err), -WR_E_UNIMPLEMENTED);
    CHECK_STATE(sessions, "a", "running");
    CHECK(fake_driver_is_alive(f.driver, id));
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(one_whose_sandbox_ended_is_forgotten_with_the_reason)
{
    struct fixture f;
    struct wr_error err = {0};
    struct wr_sandbox *sandbox = NULL;
    char id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    CHECK_INT(wr_sessions_resume(sessions, "a", NULL, &sandbox, &err), -WR_E_NOT_FOUND);
    CHECK(strstr(err.msg, "there is no session a"));
    create(sessions, "a", id);
    fake_driver_lose(f.driver, id);
    CHECK_INT(wr_sessions_resume(sessions, "a", NULL, &sandbox, &err), -WR_E_NOT_FOUND);
    CHECK(strstr(err.msg, "has ended"));
    CHECK_STATE(sessions, "a", "");
    create(sessions, "a", id);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(a_create_that_fails_leaves_neither_row_nor_sandbox)
{
    struct fixture f;
    struct wr_error err = {0};
    struct wr_sandbox *sandbox = NULL;
    char id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    fake_driver_fail(f.driver, FAKE_CREATE, 1, 1, WR_E_UNAVAILABLE);
    CHECK_INT(wr_sessions_create(sessions, "a", NULL, &sandbox, &err), -WR_E_UNAVAILABLE);
    CHECK_STATE(sessions, "a", "");
    create(sessions, "a", id);
    CHECK_INT(fake_driver_alive(f.driver), 1);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(what_a_dead_process_left_in_the_middle_is_killed)
{
    struct fixture f;
    struct wr_error err = {0};
    char half[WR_SANDBOX_ID_MAX], whole[WR_SANDBOX_ID_MAX], lost[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    create(sessions, "half", half);
    create(sessions, "whole", whole);
    create(sessions, "lost", lost);
    wr_sessions_free(sessions);
    /* One was being made (owner: not of this boot, and its lease is over), of another the row was
     * never written to the disk. */
    execute(&f, "UPDATE sessions SET state = 0, owner = 'x', lease_end_ms = 1 WHERE id = 'half';"
                "DELETE FROM sessions WHERE id = 'lost'");
    sessions = sessions_of(&f, 0);
    CHECK(!fake_driver_is_alive(f.driver, half));
    CHECK(!fake_driver_is_alive(f.driver, lost));
    CHECK(fake_driver_is_alive(f.driver, whole));
    CHECK_STATE(sessions, "half", "");
    CHECK_STATE(sessions, "whole", "running");
    CHECK_INT(wr_sessions_close(sessions, "whole", NULL, &err), 0);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(what_a_living_process_is_making_stays)
{
    struct fixture f;
    struct wr_error err = {0};
    struct wr_sandbox *sandbox = NULL;
    char id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    create(sessions, "a", id);
    create(sessions, "b", id);
    /* `a` by this process, `b` by one of another machine that still has time. */
    execute(&f, "UPDATE sessions SET state = 0, lease_end_ms = 1 WHERE id = 'a';"
                "UPDATE sessions SET state = 0, owner = 'x' WHERE id = 'b'");
    struct wr_sessions *other = sessions_of(&f, 0);
    CHECK_STATE(other, "a", "creating");
    CHECK_STATE(other, "b", "creating");
    CHECK_INT(fake_driver_alive(f.driver), 2);
    CHECK_INT(wr_sessions_resume(other, "a", NULL, &sandbox, &err), -WR_E_UNAVAILABLE);
    wr_sessions_free(other);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(a_server_that_does_not_answer_at_the_opening_is_asked_later)
{
    struct fixture f;
    char lost[WR_SANDBOX_ID_MAX], id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    create(sessions, "lost", lost);
    wr_sessions_free(sessions);
    execute(&f, "DELETE FROM sessions");
    fake_driver_fail(f.driver, FAKE_LIST, 1, 1, WR_E_UNAVAILABLE);
    sessions = sessions_of(&f, 0);
    CHECK(fake_driver_is_alive(f.driver, lost));
    create(sessions, "new", id);
    CHECK(!fake_driver_is_alive(f.driver, lost));
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(sandboxes_of_others_are_left_alone)
{
    struct fixture f;
    struct wr_error err = {0};
    struct wr_sandbox *plain = NULL;
    char theirs[WR_SANDBOX_ID_MAX], path[128];

    fixture_init(&f);
    CHECK_INT(wr_sandbox_create(f.client, NULL, NULL, &plain, &err), 0);
    (void)snprintf(path, sizeof path, "%s/other.db", f.directory);
    struct wr_sessions *others =
        wr_sessions_open(f.client, WR_OPTS(wr_sessions_opts, .path = path), &err);
    CHECK(others);
    create(others, "a", theirs);
    wr_sessions_free(sessions_of(&f, 0));
    CHECK(fake_driver_is_alive(f.driver, theirs));
    CHECK(fake_driver_is_alive(f.driver, wr_sandbox_id(plain)));
    wr_sandbox_free(plain);
    wr_sessions_free(others);
    fixture_done(&f);
}

TEST(metadata_and_time_of_a_session)
{
    struct fixture f;
    struct wr_error err = {0};
    const char *metadata[] = {"team=blue"};
    const struct wr_sandbox_opts sandbox = {
        .struct_size = sizeof sandbox, .metadata = metadata, .metadata_count = 1};
    char id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = wr_sessions_open(
        f.client,
        WR_OPTS(wr_sessions_opts, .path = f.path, .sandbox = &sandbox, .idle_timeout_s = 1800),
        &err);
    create(sessions, "chat", id);
    struct wr_value *created = fake_driver_created_with(f.driver, id);
    const struct wr_value *has = wr_value_get(created, "metadata");
    CHECK_STR(wr_value_string(has, "team"), "blue");
    CHECK_STR(wr_value_string(has, "session_id"), "chat");
    CHECK_INT(strlen(wr_value_string(has, "warren.session")), 20);
    CHECK_INT(strlen(wr_value_string(has, "warren.sessions")), 20);
    CHECK_INT(wr_value_int(created, "timeout_s", 0), 1800);
    wr_value_free(created);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

/* ---- leases of a session ---- */

TEST(a_lease_makes_the_session_and_finds_it_again)
{
    struct fixture f;
    struct wr_error err = {0};
    struct wr_lease lease = {0};
    char id[WR_SANDBOX_ID_MAX];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    struct wr_supply *supply = wr_sessions_supply(sessions, "chat", &err);
    CHECK_INT(wr_supply_acquire(supply, NULL, &lease, &err), 0);
    CHECK(lease.fresh);
    (void)snprintf(id, sizeof id, "%s", wr_sandbox_id(lease.sandbox));
    wr_supply_release(supply, &lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    CHECK_INT(fake_driver_alive(f.driver), 1);

    CHECK_INT(wr_sessions_pause(sessions, "chat", NULL, &err), 0);
    supply = wr_sessions_supply(sessions, "chat", &err);
    CHECK_INT(wr_supply_acquire(supply, NULL, &lease, &err), 0);
    CHECK(!lease.fresh);
    CHECK_STR(wr_sandbox_id(lease.sandbox), id);
    CHECK_STATE(sessions, "chat", "running");
    /* One that may not be used again is closed; a lost one is made anew. */
    wr_supply_release(supply, &lease, WR_LEASE_DIRTY);
    wr_supply_free(supply);
    CHECK_INT(fake_driver_alive(f.driver), 0);
    supply = wr_sessions_supply(sessions, "chat", &err);
    CHECK_INT(wr_supply_acquire(supply, NULL, &lease, &err), 0);
    CHECK(lease.fresh);
    fake_driver_lose(f.driver, wr_sandbox_id(lease.sandbox));
    wr_supply_release(supply, &lease, WR_LEASE_LOST);
    CHECK_INT(wr_supply_acquire(supply, NULL, &lease, &err), 0);
    CHECK(lease.fresh);
    wr_supply_release(supply, &lease, WR_LEASE_DONE);
    wr_supply_free(supply);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

/* The server's refusal is no other creator's: it is told, and not waited for. */
TEST(a_supply_tells_at_once_why_a_session_cannot_be_resumed)
{
    struct fixture f;
    struct wr_error err = {0};
    struct wr_lease lease = {0};

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    struct wr_supply *supply = wr_sessions_supply(sessions, "chat", &err);
    CHECK_INT(wr_supply_acquire(supply, NULL, &lease, &err), 0);
    wr_supply_release(supply, &lease, WR_LEASE_DONE);
    CHECK_INT(wr_sessions_pause(sessions, "chat", NULL, &err), 0);
    fake_driver_fail(f.driver, FAKE_CONNECT, 1, 1000, WR_E_ALREADY_EXISTS);
    CHECK_INT(wr_supply_acquire(supply, NULL, &lease, &err), -WR_E_ALREADY_EXISTS);
    CHECK_INT(fake_driver_calls(f.driver, FAKE_CONNECT), 1);
    CHECK_STATE(sessions, "chat", "paused");
    wr_supply_free(supply);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

struct user {
    struct wr_supply *supply;
    char id[WR_SANDBOX_ID_MAX];
};

static void *use(void *arg)
{
    struct user *user = arg;
    struct wr_lease lease = {0};
    struct wr_error err = {0};

    if (wr_supply_acquire(user->supply, NULL, &lease, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    (void)snprintf(user->id, sizeof user->id, "%s", wr_sandbox_id(lease.sandbox));
    wr_supply_release(user->supply, &lease, WR_LEASE_DONE);
    return NULL;
}

TEST(threads_that_come_first_at_once_share_one_sandbox)
{
    enum { THREADS = 6 };
    struct fixture f;
    struct wr_error err = {0};
    pthread_t threads[THREADS];
    struct user users[THREADS];

    fixture_init(&f);
    struct wr_sessions *sessions = sessions_of(&f, 0);
    struct wr_supply *supply = wr_sessions_supply(sessions, "chat", &err);
    for (unsigned i = 0; i < THREADS; i++) {
        users[i].supply = supply;
        CHECK_INT(pthread_create(&threads[i], NULL, use, &users[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_STR(users[i].id, users[0].id);
    CHECK_INT(fake_driver_calls(f.driver, FAKE_CREATE), 1);
    wr_supply_free(supply);
    wr_sessions_free(sessions);
    fixture_done(&f);
}

TEST(the_file_is_for_its_owner_only)
{
    struct fixture f;
    struct wr_error err = {0};
    struct stat st;

    fixture_init(&f);
    wr_sessions_free(sessions_of(&f, 0));
    CHECK_INT(stat(f.path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    execute(&f, "PRAGMA user_version = 99");
    CHECK(!wr_sessions_open(f.client, WR_OPTS(wr_sessions_opts, .path = f.path), &err));
    CHECK_INT(err.code, WR_E_FAILED_PRECONDITION);
    fixture_done(&f);
}
