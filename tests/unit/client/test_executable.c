#include <fcntl.h>
#include <sys/stat.h>

#include "client/executable.h"
#include "test.h"

static char directory[] = "/tmp/warren-executable-XXXXXX";

static void make(const char *path, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);

    CHECK(fd >= 0);
    close(fd);
}

TEST(search_in_order)
{
    char path[64], other[64], list[160], *found = NULL;
    struct wr_error err = {0};

    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/warren", directory);
    snprintf(other, sizeof other, "%s/other", directory);
    unsetenv("WARREN_EXECUTABLE");
    setenv("PATH", "", 1);
    CHECK_INT(wr_executable_find(NULL, &found, &err), -WR_E_NOT_FOUND);

    /* On PATH, past what is no program and what is no absolute directory. */
    snprintf(list, sizeof list, ".::/nonexistent:%s", directory);
    setenv("PATH", list, 1);
    make(path, 0600);
    CHECK_INT(wr_executable_find(NULL, &found, &err), -WR_E_NOT_FOUND);
    CHECK_INT(chmod(path, 0700), 0);
    CHECK_INT(wr_executable_find(NULL, &found, &err), 0);
    CHECK_STR(found, path);
    free(found);
    CHECK_INT(chdir(directory), 0);
    setenv("PATH", ".:", 1);
    CHECK_INT(wr_executable_find(NULL, &found, &err), -WR_E_NOT_FOUND);

    make(other, 0700);
    setenv("WARREN_EXECUTABLE", other, 1);
    CHECK_INT(wr_executable_find(NULL, &found, &err), 0);
    CHECK_STR(found, other);
    free(found);
    CHECK_INT(wr_executable_find(path, &found, &err), 0);
    CHECK_STR(found, path);
    free(found);
    CHECK_INT(wr_executable_find(directory, &found, &err), -WR_E_NOT_FOUND);
    unlink(path);
    unlink(other);
    rmdir(directory);
}
