#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "fixture.h"
#include "template/layer.h"
#include "test.h"

#define HASH "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static void put(int dirfd, const char *name, const char *text)
{
    wr_auto_close int fd = openat(dirfd, name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && wr_write_all(fd, text, strlen(text)) == 0);
}

TEST(abandoned_draft_leaves_nothing)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    {
        wr_auto_layer_draft d = WR_LAYER_DRAFT;
        CHECK_INT(wr_layer_draft_open(data, 0, &d, &err), 0);
        put(d.root_fd, "file", "x");
        CHECK_INT(fixture_count(data, "layers"), 1);
    }
    CHECK_INT(fixture_count(data, "layers"), 0);
}

TEST(commit_names_and_replaces)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    for (int i = 0; i < 2; i++) {
        wr_auto_layer_draft d = WR_LAYER_DRAFT;
        CHECK_INT(wr_layer_draft_open(data, 0, &d, &err), 0);
        put(d.root_fd, i ? "second" : "first", "x");
        CHECK_INT(wr_layer_commit(&d, "not a hash", &err), -WR_E_INTERNAL);
        CHECK_INT(wr_layer_commit(&d, HASH, &err), 0);
    }
    CHECK_INT(fixture_count(data, "layers"), 1);
    CHECK_INT(faccessat(data, "layers/" HASH "/second", F_OK, 0), 0);
    CHECK_INT(faccessat(data, "layers/" HASH "/first", F_OK, 0), -1);
}

TEST(draft_of_a_dead_process_goes_and_of_a_live_one_stays)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    wr_auto_layer_draft live = WR_LAYER_DRAFT;
    CHECK_INT(wr_layer_draft_open(data, 0, &live, &err), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct wr_layer_draft d = WR_LAYER_DRAFT;
        if (wr_layer_draft_open(data, 0, &d, &err) < 0)
            _exit(1);
        (void)!mkdirat(d.root_fd, "sub", 0700);
        _exit(0); /* as if killed: no cleanup */
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK_INT(fixture_count(data, "layers"), 2);
    wr_auto_layer_draft next = WR_LAYER_DRAFT;
    CHECK_INT(wr_layer_draft_open(data, 0, &next, &err), 0);
    CHECK_INT(fixture_count(data, "layers"), 2);
    struct stat st;
    CHECK_INT(fstatat(live.layers_fd, live.name, &st, 0), 0);
}

TEST(full_disk_is_refused_before_the_work)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    wr_auto_layer_draft d = WR_LAYER_DRAFT;
    CHECK_INT(wr_layer_draft_open(data, (uint64_t)1 << 60, &d, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(d.root_fd, -1);
    CHECK_INT(fixture_count(data, "layers"), 0);
}

TEST(size_adds_up_files)
{
    int data = fixture_data_dir();
    uint64_t bytes = 0;
    CHECK(mkdirat(data, "layers/" HASH, 0755) == 0 &&
          mkdirat(data, "layers/" HASH "/a", 0755) == 0);
    put(data, "layers/" HASH "/one", "12345");
    put(data, "layers/" HASH "/a/two", "123");
    CHECK(symlinkat("/etc", data, "layers/" HASH "/a/link") == 0);
    wr_auto_close int fd = openat(data, "layers/" HASH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_INT(wr_layer_size(fd, &bytes), 0);
    CHECK_INT(bytes, 5 + 3 + 4);
}

TEST(removing_a_layer)
{
    int data = fixture_data_dir();
    struct wr_error err = {0};
    CHECK(mkdirat(data, "layers/" HASH, 0755) == 0 &&
          mkdirat(data, "layers/" HASH "/a", 0755) == 0);
    CHECK(wr_layer_exists(data, HASH));
    CHECK_INT(wr_layer_remove(data, HASH, &err), 0);
    CHECK(!wr_layer_exists(data, HASH));
    CHECK_INT(wr_layer_remove(data, HASH, &err), 0);
    CHECK_INT(fixture_count(data, "layers"), 0);
    CHECK_INT(wr_layer_remove(data, "../templates", &err), -WR_E_INTERNAL);
}
