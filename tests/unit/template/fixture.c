#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "template/store.h"
#include "test.h"

static char tmp[64];
static pid_t owner;

static void remove_tmp(void)
{
    if (getpid() == owner)
        (void)!wr_remove_tree(AT_FDCWD, tmp);
}

const char *fixture_path(void)
{
    if (!tmp[0]) {
        snprintf(tmp, sizeof(tmp), "/tmp/warren-unit-XXXXXX");
        CHECK(mkdtemp(tmp));
        owner = getpid();
        CHECK(atexit(remove_tmp) == 0);
    }
    return tmp;
}

int fixture_data_dir(void)
{
    char path[96];
    struct wr_error err = {0};
    int fd = -1;
    snprintf(path, sizeof(path), "%s/data", fixture_path());
    CHECK_INT(wr_data_dir_open(path, &fd, &err), 0);
    return fd;
}

size_t fixture_count(int data_dirfd, const char *dir)
{
    size_t count = 0;
    DIR *d = fdopendir(openat(data_dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    CHECK(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                 strcmp(e->d_name, ".lock") != 0;
    closedir(d);
    return count;
}

const char *fixture_file(const char *name, const char *text)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", fixture_path(), name);
    FILE *f = fopen(path, "we");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
    return path;
}
