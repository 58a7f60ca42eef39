#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/text_file.h"
#include "test.h"

TEST(files_up_to_the_maximum)
{
    char path[] = "/tmp/warren-text-XXXXXX";
    int fd = mkstemp(path);
    struct wr_error err = {0};
    wr_auto_buf four = WR_BUF(4);
    wr_auto_buf three = WR_BUF(3);
    wr_auto_buf any = WR_BUF(100);

    CHECK(fd >= 0);
    CHECK_INT(write(fd, "abcd", 4), 4);
    CHECK_INT(wr_text_file_read(path, &four, &err), 0);
    CHECK_INT(four.len, 4);
    CHECK_INT(wr_text_file_read(path, &three, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "is larger than"));
    CHECK_INT(pwrite(fd, "\xff", 1, 1), 1);
    CHECK_INT(wr_text_file_read(path, &any, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "UTF-8"));
    CHECK_INT(ftruncate(fd, 0), 0);
    wr_auto_buf empty = WR_BUF(100);
    CHECK_INT(wr_text_file_read(path, &empty, &err), 0);
    CHECK_INT(empty.len, 0);
    close(fd);
    unlink(path);
}

TEST(what_is_no_file)
{
    struct wr_error err = {0};
    wr_auto_buf text = WR_BUF(100);

    CHECK_INT(wr_text_file_read("/nowhere/a", &text, &err), -WR_E_NOT_FOUND);
    CHECK(strstr(err.msg, "/nowhere/a"));
    CHECK_INT(wr_text_file_read("/tmp", &text, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "is a directory"));
}
