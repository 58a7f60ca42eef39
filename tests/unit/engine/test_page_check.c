#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "engine/snapshot/image.h"
#include "engine/snapshot/page_check.h"
#include "test.h"

static char top[] = "/tmp/test_page_check.XXXXXX";
static int image_fd;
static struct wr_manifest manifest;
static struct wr_error err;

static void write_file(const char *name, const char *text)
{
    CHECK_INT(wr_file_replace(image_fd, name, text, strlen(text), 0644, WR_VOLATILE), 0);
}

static void set_up(void)
{
    CHECK(mkdtemp(top));
    image_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(image_fd >= 0);
    write_file("pages-1.img", "pages");
    write_file("core-1.img", "core");
    CHECK_INT(wr_image_measure(image_fd, &manifest, &err), 0);
}

static void clean_up(void)
{
    wr_manifest_done(&manifest);
    wr_close(image_fd);
    CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
    CHECK(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
}

TEST(what_is_whole)
{
    struct wr_page_check check;

    set_up();
    write_file("core-1.img", "cord"); /* its content is not looked at here */
    CHECK_INT(wr_page_check_begin(image_fd, &manifest, &check, &err), 0);
    CHECK_INT(wr_page_check_wait(&check, &err), 0);
    CHECK_INT(wr_page_check_wait(&check, &err), 0);
    wr_page_check_done(&check);
    CHECK_INT(wr_image_check(image_fd, &manifest, WR_IMAGE_PAGES, &err), 0);
    CHECK_INT(wr_image_check(image_fd, &manifest, WR_IMAGE_REST, &err), -WR_E_DATA_LOSS);
    clean_up();
}

TEST(what_is_damaged)
{
    struct wr_page_check check;

    set_up();
    write_file("pages-1.img", "pagex");
    CHECK_INT(wr_image_check(image_fd, &manifest, WR_IMAGE_REST, &err), 0);
    CHECK_INT(wr_page_check_begin(image_fd, &manifest, &check, &err), 0);
    for (int i = 0; i < 2; i++) {
        err = (struct wr_error){0};
        CHECK_INT(wr_page_check_wait(&check, &err), -WR_E_DATA_LOSS);
        CHECK(strstr(err.msg, "pages-1.img"));
    }
    clean_up();
}

TEST(nobody_waits)
{
    struct wr_page_check check;

    set_up();
    CHECK_INT(wr_page_check_begin(image_fd, &manifest, &check, &err), 0);
    wr_page_check_done(&check);
    wr_page_check_done(&check);
    clean_up();
}

/* CRIU would wait for the rest: that is found before it starts. */
TEST(what_is_cut)
{
    set_up();
    write_file("pages-1.img", "page");
    CHECK_INT(wr_image_check(image_fd, &manifest, WR_IMAGE_REST, &err), -WR_E_DATA_LOSS);
    CHECK(strstr(err.msg, "pages-1.img"));
    clean_up();
}

/* Without an answer nothing is known. */
TEST(it_was_killed)
{
    struct wr_page_check check;
    int fds[2];

    set_up();
    CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
    const pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    CHECK_INT(close(fds[1]), 0);
    check = (struct wr_page_check){.pid = pid, .result_fd = fds[0]};
    CHECK_INT(wr_page_check_wait(&check, &err), -WR_E_INTERNAL);
    CHECK_INT(wr_page_check_wait(&check, &err), -WR_E_INTERNAL);
    clean_up();
}
