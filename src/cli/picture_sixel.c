#include "cli/picture_sixel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "sys/tool.h"

#define NOBODY         65534
#define TIMEOUT_MS     10000
#define MAX_SIXEL      ((size_t)64 * 1024 * 1024)
#define EXIT_NOT_FOUND 127

/* Introducer with numbers, 'q', printable characters, terminator: nothing that could be another
 * command of the terminal. */
static bool is_sixel(const char *text, size_t len)
{
    size_t at = 2;

    if (len < 5 || memcmp(text, "\033P", 2) != 0 || memcmp(text + len - 2, "\033\\", 2) != 0)
        return false;
    while (at < len - 2 && ((text[at] >= '0' && text[at] <= '9') || text[at] == ';'))
        at++;
    if (text[at] != 'q')
        return false;
    for (; at < len - 2; at++)
        if ((text[at] < ' ' || text[at] > '~') && text[at] != '\n' && text[at] != '\r')
            return false;
    return true;
}

/* Both files belong to whoever the program runs as; the directory does not, so that it can put
 * nothing else in their place. */
static int make_files(const char *dir, const char *in, const char *out, const struct wr_buf *bytes)
{
    int r = wr_file_replace(AT_FDCWD, in, wr_buf_ptr(bytes), bytes->len, 0400, WR_VOLATILE);

    if (r == 0)
        r = wr_file_replace(AT_FDCWD, out, "", 0, 0600, WR_VOLATILE);
    if (r == 0 && geteuid() == 0 &&
        (chmod(dir, 0711) < 0 || chown(in, NOBODY, NOBODY) < 0 || chown(out, NOBODY, NOBODY) < 0))
        r = -errno;
    return r;
}

static int convert(const char *in, const char *out, int *ret_status)
{
    /* As root: first without root's rights, then the limits. */
    const char *const argv[] = {"setpriv",
                                "--reuid=65534",
                                "--regid=65534",
                                "--clear-groups",
                                "--no-new-privs",
                                "prlimit",
                                "--as=1073741824",
                                "--cpu=10",
                                "--core=0",
                                "--",
                                "img2sixel",
                                "-o",
                                out,
                                in,
                                NULL};
    static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
    const size_t first = geteuid() == 0 ? 0 : 5;
    const struct wr_tool tool = {
        .argv = argv + first, .env = env, .cancel_fd = -1, .timeout_ms = TIMEOUT_MS};

    return wr_tool_run(&tool, ret_status);
}

static int run(const char *dir, const struct wr_buf *bytes, struct wr_buf *out,
               struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(MAX_SIXEL);
    char in_path[64], out_path[64];
    int status = 0;

    if (!wr_strformat(in_path, sizeof in_path, "%s/in", dir) ||
        !wr_strformat(out_path, sizeof out_path, "%s/out", dir))
        return wr_fail(err, WR_E_INTERNAL, 0, "picture");
    int r = make_files(dir, in_path, out_path, bytes);
    if (r == 0)
        r = convert(in_path, out_path, &status);
    if (r == -ENOENT || status == EXIT_NOT_FOUND)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "pictures as sixel need img2sixel (Debian: libsixel-bin), setpriv and "
                       "prlimit");
    if (r == 0 && status == 0)
        r = wr_file_read(AT_FDCWD, out_path, &text);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "img2sixel");
    if (status != 0 || !is_sixel(wr_buf_ptr(&text), text.len))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "img2sixel could not read the picture");
    return wr_buf_append(out, wr_buf_ptr(&text), text.len) < 0
               ? wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "picture")
               : 0;
}

int wr_picture_sixel(const struct wr_buf *bytes, struct wr_buf *out, struct wr_error *err)
{
    char dir[] = "/tmp/warren-picture-XXXXXX";

    if (!mkdtemp(dir))
        return wr_fail_errno(err, wr_code_from_errno(errno), "directory for a picture");
    int r = run(dir, bytes, out, err);
    (void)!wr_remove_tree(AT_FDCWD, dir);
    return r;
}
