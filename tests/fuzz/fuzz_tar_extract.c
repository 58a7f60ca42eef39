/* A tar stream of a sandbox, unpacked on the host: nothing outside its directory changes. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/tar_extract.h"
#include "fuzz.h"

#define MAX_BYTES ((uint64_t)1024 * 1024)

struct source {
    const uint8_t *data;
    size_t left;
};

static ssize_t next(void *data, const void **ret, struct wr_error *err)
{
    struct source *source = data;
    size_t n = source->left < 700 ? source->left : 700;

    (void)err;
    *ret = source->data;
    source->data += n;
    source->left -= n;
    return (ssize_t)n;
}

static void skipped(const char *path, void *data)
{
    (void)data;
    HOLDS(path[0]);
}

/* The directory holds the file, untouched, and what was unpacked; nothing else. */
static void check_outside(int dir_fd, const char *dir)
{
    struct stat st;

    HOLDS(fstatat(dir_fd, "outside", &st, AT_SYMLINK_NOFOLLOW) == 0);
    HOLDS(S_ISREG(st.st_mode) && st.st_size == 4 && st.st_nlink == 1 &&
          (st.st_mode & 07777) == 0600);
    HOLDS(unlinkat(dir_fd, "outside", 0) == 0);
    HOLDS(wr_remove_tree(dir_fd, "in") == 0);
    HOLDS(rmdir(dir) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[] = "/dev/shm/wr-fuzz-tar-XXXXXX";
    struct source source = {data, size};
    struct wr_error err = {0};

    HOLDS(mkdtemp(dir));
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    HOLDS(dir_fd >= 0 && mkdirat(dir_fd, "in", 0700) == 0);
    int file = openat(dir_fd, "outside", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    HOLDS(write(file, "safe", 4) == 4 && close(file) == 0);
    int in = openat(dir_fd, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct wr_tar_extract opts = {
        .dir_fd = in, .read = next, .data = &source, .max_bytes = MAX_BYTES, .skipped = skipped};
    int r = wr_tar_extract(&opts, &err);
    HOLDS(r == 0 || r == -err.code);
    close(in);
    check_outside(dir_fd, dir);
    close(dir_fd);
    return 0;
}
