#include "agent/fs/files_get.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fs/accept_encoding.h"
#include "agent/fs/download.h"
#include "agent/fs/file_headers.h"
#include "agent/fs/preconditions.h"
#include "agent/fs/target.h"
#include "agent/reply.h"
#include "base/fd.h"
#include "base/str.h"

/* What is to be sent. */
struct answer {
    const char *path;
    struct stat st;
    int status; /* 200 or 206 */
    bool sized; /* the file knows its size; procfs and its kin do not */
    bool pack;
    struct wr_range range; /* of all or the part that is sent */
};

/* Opens the file. -1 when it was answered. */
static int open_file(struct wr_exchange *ex, const char *path, struct stat *st)
{
    /* Non-blocking: a FIFO must not stop the agent. */
    wr_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        wr_reply_error(ex, 404, "path '%s' does not exist", path);
        return -1;
    }
    if (fd < 0 && errno == ENXIO) { /* a socket, or a device without its driver */
        wr_reply_error(ex, 400, "path '%s' is not a regular file", path);
        return -1;
    }
    if (fd < 0 || fstat(fd, st) < 0) {
        wr_reply_error(ex, 500, "error opening '%s': %s", path, wr_errno_text(errno));
        return -1;
    }
    if (!S_ISREG(st->st_mode)) {
        wr_reply_error(ex, 400, "path '%s' is %s", path,
                       S_ISDIR(st->st_mode) ? "a directory" : "not a regular file");
        return -1;
    }
    return wr_steal_fd(&fd);
}

/* A file without a size may all the same have content. False when it was answered. */
static bool find_size(struct wr_exchange *ex, int fd, struct answer *a)
{
    char byte;

    a->sized = true;
    a->range.len = (uint64_t)a->st.st_size;
    if (a->st.st_size > 0)
        return true;
    ssize_t n = pread(fd, &byte, 1, 0);
    if (n < 0) {
        wr_reply_error(ex, 500, "error reading '%s': %s", a->path, wr_errno_text(errno));
        return false;
    }
    a->sized = n == 0;
    return true;
}

/* Encoding, conditions and range. False when it was answered. */
static bool negotiate(struct wr_exchange *ex, struct answer *a)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    const int64_t modified = a->st.st_mtim.tv_sec;
    char text[64];

    enum wr_encoding encoding = wr_accept_encoding(head, wr_request_is_conditional(head));
    if (encoding == WR_ENCODING_NONE) {
        wr_reply_error(ex, 406, "no acceptable encoding, supported: gzip, identity");
        return false;
    }
    a->pack = encoding == WR_ENCODING_GZIP;
    a->status = wr_preconditions_check(head, modified);
    if (a->status == 304) {
        wr_exchange_begin(ex, 304);
        wr_file_headers(ex, a->path, &a->st);
        wr_exchange_send(ex, NULL, 0);
    } else if (a->status == 412) {
        wr_reply_error(ex, 412, "path '%s' is not in the required state", a->path);
    }
    if (a->status != 200)
        return false;
    if (!a->sized || a->pack)
        return true;
    switch (wr_range_read(head, modified, a->range.len, &a->range)) {
    case WR_RANGE_WHOLE:
        return true;
    case WR_RANGE_PART:
        a->status = 206;
        return true;
    case WR_RANGE_BEYOND:
        break;
    }
    (void)!wr_strformat(text, sizeof(text), "bytes */%llu", (unsigned long long)a->range.len);
    wr_reply_error_with(ex, 416, "Content-Range", text, "the range is not in path '%s'", a->path);
    return false;
}

static void write_head(struct wr_exchange *ex, const struct answer *a)
{
    char text[96];

    wr_exchange_begin(ex, a->status);
    wr_file_headers(ex, a->path, &a->st);
    if (a->pack)
        wr_exchange_header(ex, "Content-Encoding", "gzip");
    else if (a->sized)
        wr_exchange_header(ex, "Accept-Ranges", "bytes");
    if (a->status == 206 &&
        wr_strformat(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)a->range.start,
                     (unsigned long long)(a->range.start + a->range.len - 1),
                     (unsigned long long)a->st.st_size))
        wr_exchange_header(ex, "Content-Range", text);
}

void wr_files_get(struct wr_agent *agent, struct wr_exchange *ex)
{
    struct wr_file_target target;
    struct wr_download *download = NULL;
    struct answer a = {.path = target.path};
    struct wr_error err;

    if (!wr_file_target_read(agent, ex, "read", &target))
        return;
    wr_auto_close int fd = open_file(ex, target.path, &a.st);
    if (fd < 0 || !find_size(ex, fd, &a) || !negotiate(ex, &a))
        return;
    if (a.range.start > 0 && lseek(fd, (off_t)a.range.start, SEEK_SET) < 0) {
        wr_reply_error(ex, 500, "error reading '%s': %s", target.path, wr_errno_text(errno));
        return;
    }
    const struct wr_download_opts opts = {
        .fd = wr_steal_fd(&fd),
        .length = a.sized ? (int64_t)a.range.len : -1,
        .pack = a.pack,
        .head_only = wr_exchange_is(ex, "HEAD"),
    };
    if (wr_download_new(ex, &opts, &download, &err) < 0) {
        wr_reply_error(ex, 500, "%s", err.msg);
        return;
    }
    write_head(ex, &a);
    wr_download_start(download);
}
