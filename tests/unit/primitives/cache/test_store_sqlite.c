#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/base.h"
#include "store_check.h"

#define NOW ((uint64_t)1700000000000)

struct setting {
    char dir[32], path[64];
};

static void set_up(struct setting *s)
{
    *s = (struct setting){.dir = "/tmp/warren-cache-XXXXXX"};
    CHECK(mkdtemp(s->dir));
    (void)snprintf(s->path, sizeof s->path, "%s/cache.db", s->dir);
}

static void tear_down(struct setting *s)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char name[80];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "%s%s", s->path, ends[i]);
        (void)unlink(name);
    }
    CHECK_INT(rmdir(s->dir), 0);
}

static struct wr_cache_store *make(const struct setting *s, size_t max_bytes)
{
    struct wr_error err = {0};
    struct wr_cache_store *store = wr_cache_sqlite(s->path, max_bytes, &err);
    if (!store)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return store;
}

TEST(what_was_put_is_there_and_stays)
{
    struct setting s;
    struct stat st;
    set_up(&s);
    struct wr_cache_store *store = make(&s, 0);
    store_check(store, 1, NOW, WR_CACHE_MISS, NULL);
    store_put(store, 1, "one", NOW, 1000);
    store_put(store, 1, "uno", NOW, 1000);
    store_check(store, 1, NOW, WR_CACHE_HIT, "uno");
    CHECK_INT(store_count(store), 1);
    CHECK_INT(stat(s.path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    wr_cache_store_free(store);

    store = make(&s, 0);
    store_check(store, 1, NOW, WR_CACHE_HIT, "uno");
    store_clear(store);
    CHECK_INT(store_count(store), 0);
    wr_cache_store_free(store);
    tear_down(&s);
}

TEST(entries_expire)
{
    struct setting s;
    set_up(&s);
    struct wr_cache_store *store = make(&s, 0);
    store_put(store, 1, "one", NOW, 50);
    store_check(store, 1, NOW + 49, WR_CACHE_HIT, "one");
    store_check(store, 1, NOW + 50, WR_CACHE_EXPIRED, NULL);
    store_check(store, 1, NOW + 49, WR_CACHE_MISS, NULL);
    /* Those that nobody asks for go when something else comes. */
    store_put(store, 2, "two", NOW, 50);
    store_put(store, 3, "three", NOW + 50, 50);
    CHECK_INT(store_count(store), 1);
    wr_cache_store_free(store);
    tear_down(&s);
}

TEST(a_clock_that_jumped_forward_and_back_leaves_no_eternal_entries)
{
    struct setting s;
    set_up(&s);
    struct wr_cache_store *store = make(&s, 0);
    store_put(store, 1, "from the future", NOW + 3600001, 1000);
    store_check(store, 1, NOW, WR_CACHE_EXPIRED, NULL);
    store_put(store, 2, "a little ahead", NOW + 3600000, 1000);
    store_check(store, 2, NOW, WR_CACHE_HIT, "a little ahead");
    wr_cache_store_free(store);
    tear_down(&s);
}

TEST(the_size_is_limited_and_the_least_recently_used_go)
{
    char text[8192 + 1];
    struct setting s;
    set_up(&s);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct wr_cache_store *store = make(&s, 65536);
    for (unsigned i = 0; i < 7; i++)
        store_put(store, i, text, NOW + i, 1000000);
    CHECK_INT(store_count(store), 7);
    /* Use is noted by the minute. */
    store_check(store, 0, NOW + 60000 + 1, WR_CACHE_HIT, text);
    store_put(store, 7, text, NOW + 60002, 1000000);
    CHECK_INT(store_count(store), 7);
    store_check(store, 1, NOW + 60003, WR_CACHE_MISS, NULL);
    store_check(store, 0, NOW + 60003, WR_CACHE_HIT, text);
    store_check(store, 7, NOW + 60003, WR_CACHE_HIT, text);
    for (unsigned i = 100; i < 300; i++)
        store_put(store, i, text, NOW + 60000 + i, 1000000);
    CHECK_INT(store_count(store), 7);
    struct stat st;
    wr_cache_store_free(store);
    CHECK_INT(stat(s.path, &st), 0);
    CHECK(st.st_size < 4 * 65536);
    tear_down(&s);
}

TEST(what_is_larger_than_all_is_left_out)
{
    char *text = malloc(70000);
    struct setting s;
    CHECK(text);
    set_up(&s);
    memset(text, 'x', 69999);
    text[69999] = '\0';
    struct wr_cache_store *store = make(&s, 65536);
    store_put(store, 1, "small", NOW, 1000);
    store_put(store, 2, text, NOW, 1000);
    store_check(store, 2, NOW, WR_CACHE_MISS, NULL);
    store_check(store, 1, NOW, WR_CACHE_HIT, "small");
    wr_cache_store_free(store);
    free(text);
    tear_down(&s);
}

TEST(two_connections_see_each_other)
{
    struct setting s;
    set_up(&s);
    struct wr_cache_store *a = make(&s, 0), *b = make(&s, 0);
    store_put(a, 1, "one", NOW, 1000);
    store_check(b, 1, NOW, WR_CACHE_HIT, "one");
    store_put(b, 1, "uno", NOW, 1000);
    store_check(a, 1, NOW, WR_CACHE_HIT, "uno");
    wr_cache_store_free(a);
    wr_cache_store_free(b);
    tear_down(&s);
}

TEST(processes_may_write_at_once)
{
    enum { PROCESSES = 3, EACH = 50 };
    struct setting s;
    pid_t pids[PROCESSES];
    set_up(&s);
    for (unsigned p = 0; p < PROCESSES; p++) {
        pids[p] = fork();
        CHECK(pids[p] >= 0);
        if (pids[p] == 0) {
            struct wr_cache_store *store = make(&s, 0);
            for (unsigned i = 0; i < EACH; i++)
                store_put(store, p * EACH + i, "x", NOW, 1000);
            wr_cache_store_free(store);
            _exit(0);
        }
    }
    for (size_t p = 0; p < PROCESSES; p++) {
        int status = -1;
        CHECK_INT(waitpid(pids[p], &status, 0), pids[p]);
        CHECK_INT(status, 0);
    }
    struct wr_cache_store *store = make(&s, 0);
    CHECK_INT(store_count(store), PROCESSES * EACH);
    wr_cache_store_free(store);
    tear_down(&s);
}

static int code_of(const char *path, size_t max_bytes)
{
    struct wr_error err = {0};
    CHECK(!wr_cache_sqlite(path, max_bytes, &err));
    return err.code;
}

TEST(files_that_are_no_cache_are_refused)
{
    struct setting s;
    sqlite3 *db = NULL;
    set_up(&s);
    FILE *file = fopen(s.path, "w");
    CHECK(file && fputs("this is a text of somebody, and no database at all\n", file) > 0);
    CHECK_INT(fclose(file), 0);
    CHECK_INT(code_of(s.path, 0), WR_E_DATA_LOSS);
    CHECK_INT(unlink(s.path), 0);

    wr_cache_store_free(make(&s, 0));
    CHECK_INT(sqlite3_open(s.path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
    CHECK_INT(code_of(s.path, 0), WR_E_FAILED_PRECONDITION);
    CHECK_INT(unlink(s.path), 0);

    CHECK_INT(symlink("/tmp/warren-cache-elsewhere", s.path), 0);
    CHECK_INT(code_of(s.path, 0), WR_E_INVALID_ARGUMENT);
    CHECK_INT(code_of(NULL, 0), WR_E_INVALID_ARGUMENT);
    CHECK_INT(code_of("", 0), WR_E_INVALID_ARGUMENT);
    CHECK_INT(code_of("/tmp/warren-no-such-directory/x.db", 0), WR_E_NOT_FOUND);
    CHECK_INT(unlink(s.path), 0);
    CHECK_INT(code_of(s.path, 65535), WR_E_INVALID_ARGUMENT);
    tear_down(&s);
}

TEST(what_others_put_there_is_an_error_and_can_be_replaced)
{
    static const char *const foreign[] = {
        "UPDATE entries SET value = zeroblob(17 * 1024 * 1024)", /* too large */
        "UPDATE entries SET expires_ms = -1, stored_ms = -1, used_ms = -1",
        "UPDATE entries SET value = x''",
    };
    struct setting s;
    set_up(&s);
    for (size_t i = 0; i < WR_ARRAY_SIZE(foreign); i++) {
        struct wr_cache_store *store = make(&s, 0);
        sqlite3 *db = NULL;
        struct wr_cache_text text = {0};
        struct wr_error err = {0};
        store_put(store, 1, "x", NOW, 1000);
        CHECK_INT(sqlite3_open(s.path, &db), SQLITE_OK);
        CHECK_INT(sqlite3_exec(db, foreign[i], NULL, NULL, NULL), SQLITE_OK);
        CHECK_INT(sqlite3_close(db), SQLITE_OK);
        int r = wr_cache_store_ops(store)->get(wr_cache_store_self(store), store_key(1), NOW, &text,
                                               &err);
        CHECK(i == 0 ? r < 0 : r >= 0 && text.len == 0);
        free(text.text);
        store_put(store, 1, "y", NOW, 1000);
        store_check(store, 1, NOW, WR_CACHE_HIT, "y");
        wr_cache_store_free(store);
    }
    tear_down(&s);
}

/* The pages that are read next are not those of a database any more. */
TEST(a_file_that_is_damaged_later_fails_and_does_no_more)
{
    static const char junk[4096] = {1, 2, 3};
    struct setting s;
    struct wr_error err = {0};
    struct wr_cache_text text = {0}, value = {.text = (char[]){"x"}, .len = 1};
    set_up(&s);
    struct wr_cache_store *store = make(&s, 0);
    for (unsigned i = 0; i < 200; i++)
        store_put(store, i, "a value that takes some room, so that there are several pages", NOW,
                  1000);
    wr_cache_store_free(store);
    store = make(&s, 0);
    FILE *file = fopen(s.path, "r+");
    CHECK(file && fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    for (long at = 4096; at < size; at += 4096) {
        CHECK_INT(fseek(file, at, SEEK_SET), 0);
        CHECK_INT(fwrite(junk, sizeof junk, 1, file), 1);
    }
    CHECK_INT(fclose(file), 0);
    const struct wr_cache_store_ops *ops = wr_cache_store_ops(store);
    void *self = wr_cache_store_self(store);
    CHECK_INT(ops->get(self, store_key(7), NOW, &text, &err), -WR_E_DATA_LOSS);
    CHECK_INT(ops->put(self, store_key(7), &value, NOW, 1000, &err), -WR_E_DATA_LOSS);
    CHECK_INT(ops->clear(self, &err), -WR_E_DATA_LOSS);
    wr_cache_store_free(store);
    tear_down(&s);
}
