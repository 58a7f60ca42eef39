#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "audit_scene.h"
#include "base/file.h"
#include "json/value.h"
#include "test.h"

TEST(records_follow_each_other)
{
    struct audit_scene scene;
    struct wr_error err;
    struct stat st;

    audit_scene_begin(&scene);
    audit_scene_fill(&scene, 3);
    audit_scene_fill(&scene, 2);
    CHECK_INT(audit_scene_verify(&scene, NULL, &err), 5);
    CHECK_INT(stat(scene.path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    audit_scene_end(&scene);
}

TEST(several_handles_of_one_file)
{
    struct audit_scene scene;
    struct wr_error err = {0};

    audit_scene_begin(&scene);
    struct wr_audit *one = wr_audit_open(scene.path, &err), *two = wr_audit_open(scene.path, &err);
    for (int i = 0; i < 10; i++)
        audit_scene_add(i % 3 ? one : two, i);
    wr_audit_free(one);
    wr_audit_free(two);
    CHECK_INT(audit_scene_verify(&scene, NULL, &err), 10);
    audit_scene_end(&scene);
}

static void *add_many(void *data)
{
    for (int i = 0; i < 20; i++)
        audit_scene_add(data, i);
    return NULL;
}

TEST(threads_and_processes)
{
    struct audit_scene scene;
    struct wr_error err = {0};
    pthread_t threads[4];

    audit_scene_begin(&scene);
    pid_t child = fork();
    struct wr_audit *audit = wr_audit_open(scene.path, &err);
    CHECK(child >= 0 && audit != NULL);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, add_many, audit), 0);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    wr_audit_free(audit);
    if (child == 0)
        _exit(0);
    int status = 1;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    CHECK_INT(audit_scene_verify(&scene, NULL, &err), 160);
    audit_scene_end(&scene);
}

TEST(an_end_that_is_not_whole)
{
    struct audit_scene scene;
    struct wr_error err = {0};
    wr_auto_buf text = WR_BUF(1 << 20);

    audit_scene_begin(&scene);
    audit_scene_fill(&scene, 2);
    audit_scene_read(&scene, &text);
    size_t first =
        (size_t)((char *)memchr(wr_buf_ptr(&text), '\n', text.len) - wr_buf_ptr(&text)) + 1;
    for (size_t len = first + 1; len < text.len; len += 7) {
        char remedy[64];
        audit_scene_write(&scene, wr_buf_ptr(&text), len);
        CHECK(wr_audit_open(scene.path, &err) == NULL);
        CHECK_INT(err.code, WR_E_DATA_LOSS);
        snprintf(remedy, sizeof remedy, "truncate -s %zu", first);
        CHECK(strstr(err.msg, remedy) != NULL);
        CHECK_INT(audit_scene_verify(&scene, NULL, &err), -1);
        CHECK_INT(err.code, WR_E_DATA_LOSS);
        CHECK(strstr(err.msg, "line 2") && strstr(err.msg, remedy));
    }
    /* The remedy helps. */
    audit_scene_write(&scene, wr_buf_ptr(&text), first);
    audit_scene_fill(&scene, 1);
    CHECK_INT(audit_scene_verify(&scene, NULL, &err), 2);
    audit_scene_end(&scene);
}

TEST(a_last_line_that_was_changed)
{
    struct audit_scene scene;
    struct wr_error err = {0};
    wr_auto_buf text = WR_BUF(1 << 20);

    audit_scene_begin(&scene);
    audit_scene_fill(&scene, 1);
    audit_scene_read(&scene, &text);
    wr_buf_ptr(&text)[30] ^= 1;
    audit_scene_write(&scene, wr_buf_ptr(&text), text.len);
    CHECK(wr_audit_open(scene.path, &err) == NULL);
    CHECK_INT(err.code, WR_E_DATA_LOSS);
    audit_scene_end(&scene);
}

/* The disk is full in the middle of a line: nothing of it stays. */
TEST(a_write_that_fails_leaves_nothing)
{
    struct audit_scene scene;
    struct wr_error err = {0};
    struct stat st;

    audit_scene_begin(&scene);
    audit_scene_fill(&scene, 1);
    CHECK_INT(stat(scene.path, &st), 0);
    struct wr_audit *audit = wr_audit_open(scene.path, &err);
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    struct rlimit limit = {.rlim_cur = (rlim_t)st.st_size + 10, .rlim_max = RLIM_INFINITY};
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    wr_auto_value *record = wr_value_object();
    CHECK(wr_audit_append(audit, record, &err) < 0);
    limit.rlim_cur = RLIM_INFINITY;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    audit_scene_add(audit, 1);
    wr_audit_free(audit);
    CHECK_INT(audit_scene_verify(&scene, NULL, &err), 2);
    audit_scene_end(&scene);
}

TEST(paths_that_are_none)
{
    struct audit_scene scene;
    struct wr_error err = {0};
    char path[100];

    audit_scene_begin(&scene);
    CHECK(wr_audit_open(NULL, &err) == NULL);
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    CHECK(wr_audit_open(scene.dir, &err) == NULL);
    snprintf(path, sizeof path, "%s/missing/log", scene.dir);
    CHECK(wr_audit_open(path, &err) == NULL);
    CHECK_INT(err.code, WR_E_NOT_FOUND);
    snprintf(path, sizeof path, "%s/link", scene.dir);
    CHECK_INT(symlink(scene.path, path), 0);
    CHECK(wr_audit_open(path, &err) == NULL);
    snprintf(path, sizeof path, "%s/fifo", scene.dir);
    CHECK_INT(mkfifo(path, 0600), 0);
    CHECK(wr_audit_open(path, &err) == NULL);
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    audit_scene_end(&scene);
}

TEST(a_file_that_was_removed)
{
    struct audit_scene scene;
    struct wr_error err = {0};

    audit_scene_begin(&scene);
    struct wr_audit *audit = wr_audit_open(scene.path, &err);
    audit_scene_add(audit, 1);
    CHECK_INT(unlink(scene.path), 0);
    wr_auto_value *record = wr_value_object();
    CHECK_INT(wr_audit_append(audit, record, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(wr_audit_append(audit, NULL, &err), -WR_E_INVALID_ARGUMENT);
    struct wr_audit *again = wr_audit_ref(audit);
    CHECK(wr_audit_free(audit) == NULL);
    CHECK(wr_audit_free(again) == NULL);
    audit_scene_end(&scene);
}
