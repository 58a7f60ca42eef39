#include "cli/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define CHUNK ((size_t)64 * 1024)

static int read_all(int fd, const char *name, struct wr_buf *out, struct wr_error *err)
{
    for (;;) {
        size_t want = WR_MIN(CHUNK, wr_buf_room(out));
        char one = 0;
        char *into = want > 0 ? wr_buf_reserve(out, want) : &one;
        if (!into)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "%.160s", name);
        ssize_t n = read(fd, into, want > 0 ? want : 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return wr_fail_errno(err, WR_E_UNKNOWN, "read %.160s", name);
        if (n == 0)
            return 0;
        if (want == 0)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.160s is larger than %zu MiB", name,
                           (size_t)(out->max / WR_MIB));
        wr_buf_commit(out, (size_t)n);
    }
}

int wr_text_file_read(const char *path, struct wr_buf *out, struct wr_error *err)
{
    bool is_input = wr_streq(path, "-");
    const char *name = is_input ? "standard input" : path;
    wr_auto_close int opened = is_input ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int fd = is_input ? STDIN_FILENO : opened;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open %.160s", name);
    if (S_ISDIR(st.st_mode))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.160s is a directory", name);
    int r = read_all(fd, name, out, err);
    if (r == 0 && out->len > 0 && !wr_utf8_valid(wr_buf_ptr(out), out->len))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.160s: no UTF-8 text", name);
    return r;
}
