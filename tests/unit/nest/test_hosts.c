#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "nest/hosts.h"
#include "test.h"

static char top[64];

/* In a root directory of its own. */
static void start(void)
{
    NEEDS_ROOT();
    snprintf(top, sizeof(top), "/tmp/test_hosts.XXXXXX");
    CHECK(mkdtemp(top));
    CHECK(chdir(top) == 0 && mkdir("etc", 0755) == 0);
}

static void ensure(void)
{
    const int outside = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(outside >= 0 && chroot(top) == 0);
    wr_hosts_ensure("abcdefghij0123456789");
    CHECK(fchdir(outside) == 0 && chroot(".") == 0);
    close(outside);
    CHECK(chdir(top) == 0);
}

static char *contents(void)
{
    static char text[512];
    wr_auto_close int fd = open("etc/hosts", O_RDONLY | O_CLOEXEC);
    ssize_t len = wr_read_full(fd, text, sizeof(text) - 1);
    CHECK(len >= 0);
    text[len] = '\0';
    return text;
}

static void done(void)
{
    CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
}

TEST(a_missing_one_is_written)
{
    struct stat st;
    start();
    ensure();
    CHECK(strstr(contents(), "127.0.0.1\tlocalhost\n"));
    CHECK(strstr(contents(), "::1\tlocalhost"));
    CHECK(strstr(contents(), "127.0.1.1\tabcdefghij0123456789\n"));
    CHECK(stat("etc/hosts", &st) == 0);
    CHECK_INT(st.st_mode & 0777 & ~0022U, 0644);
    done();
}

TEST(an_empty_one_is_filled)
{
    start();
    CHECK_INT(wr_file_write_str(AT_FDCWD, "etc/hosts", ""), -ENOENT);
    CHECK(mknod("etc/hosts", S_IFREG | 0644, 0) == 0);
    ensure();
    CHECK(strstr(contents(), "localhost"));
    done();
}

TEST(what_says_something_stays)
{
    start();
    CHECK(mknod("etc/hosts", S_IFREG | 0644, 0) == 0);
    CHECK_INT(wr_file_write_str(AT_FDCWD, "etc/hosts", "10.0.0.1 mine\n"), 0);
    ensure();
    CHECK_STR(contents(), "10.0.0.1 mine\n");
    done();
}

/* Links, devices and a missing directory are nobody's business here. */
TEST(what_is_no_file_is_left_alone)
{
    struct stat st;
    start();
    CHECK(symlink("elsewhere", "etc/hosts") == 0);
    ensure();
    CHECK(lstat("etc/elsewhere", &st) < 0);
    CHECK(unlink("etc/hosts") == 0 && mkfifo("etc/hosts", 0644) == 0);
    ensure();
    CHECK(unlink("etc/hosts") == 0 && rmdir("etc") == 0);
    ensure();
    CHECK(lstat("etc", &st) < 0);
    done();
}
