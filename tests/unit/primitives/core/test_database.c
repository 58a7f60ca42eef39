#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "primitives/core/database.h"
#include "test.h"

static const char schema[] = "CREATE TABLE t (n INTEGER) STRICT; INSERT INTO t VALUES (7);";

struct setting {
    char dir[40], path[64];
};

static void set_up(struct setting *s)
{
    *s = (struct setting){.dir = "/tmp/warren-database-XXXXXX"};
    CHECK(mkdtemp(s->dir));
    (void)snprintf(s->path, sizeof s->path, "%s/x.db", s->dir);
}

static void tear_down(const struct setting *s)
{
    CHECK_INT(wr_remove_tree(AT_FDCWD, s->dir), 0);
}

static int open_version(const struct setting *s, int version, sqlite3 **ret, struct wr_error *err)
{
    const struct wr_database_opts opts = {
        .path = s->path, .what = "the list", .schema = schema, .version = version};
    return wr_database_open(&opts, ret, err);
}

static int number_in(sqlite3 *db)
{
    wr_auto_statement *stmt = NULL;
    CHECK_INT(sqlite3_prepare_v2(db, "SELECT n FROM t", -1, &stmt, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_step(stmt), SQLITE_ROW);
    return sqlite3_column_int(stmt, 0);
}

TEST(it_is_made_once_and_private)
{
    struct setting s;
    struct wr_error err = {0};
    struct stat st;
    sqlite3 *first = NULL, *second = NULL;
    set_up(&s);
    CHECK_INT(open_version(&s, 3, &first, &err), 0);
    CHECK_INT(stat(s.path, &st), 0);
    CHECK_INT(st.st_mode & 07777, 0600);
    CHECK_INT(sqlite3_exec(first, "UPDATE t SET n = 8", NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(open_version(&s, 3, &second, &err), 0);
    CHECK_INT(number_in(second), 8);
    CHECK_INT(sqlite3_close(first), SQLITE_OK);
    CHECK_INT(sqlite3_close(second), SQLITE_OK);
    tear_down(&s);
}

TEST(another_version_is_refused)
{
    struct setting s;
    struct wr_error err = {0};
    sqlite3 *db = NULL;
    set_up(&s);
    CHECK_INT(open_version(&s, 3, &db, &err), 0);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
    db = NULL;
    CHECK_INT(open_version(&s, 2, &db, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(open_version(&s, 4, &db, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(!db);
    CHECK(strstr(err.msg, "is of format 3, this version of libwarren has 4"));
    tear_down(&s);
}

TEST(what_cannot_be_opened_says_why)
{
    struct setting s;
    struct wr_error err = {0};
    sqlite3 *db = NULL;
    set_up(&s);
    CHECK_INT(symlink("elsewhere", s.path), 0);
    CHECK_INT(open_version(&s, 1, &db, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(unlink(s.path), 0);
    CHECK_INT(mkdir(s.path, 0700), 0);
    CHECK_INT(open_version(&s, 1, &db, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(rmdir(s.path), 0);
    CHECK_INT(wr_file_replace(AT_FDCWD, s.path, "no database, just some words in a file", 38, 0600,
                              WR_VOLATILE),
              0);
    CHECK_INT(open_version(&s, 1, &db, &err), -WR_E_DATA_LOSS);
    CHECK_STR(err.msg, "the list is no database; remove its file, or name another one");
    tear_down(&s);
}

TEST(codes_of_sqlite_become_ours)
{
    struct wr_error err = {0};
    CHECK_INT(wr_database_fail(NULL, "x", SQLITE_BUSY_SNAPSHOT, &err), -WR_E_UNAVAILABLE);
    CHECK_STR(err.msg, "x is locked by another process");
    CHECK_INT(wr_database_fail(NULL, "x", SQLITE_FULL, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(wr_database_fail(NULL, "x", SQLITE_MISUSE, &err), -WR_E_INTERNAL);
}
