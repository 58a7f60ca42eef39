#include "cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"

#define MAX_STDIN_PROGRAM (64 * WR_MIB)

int wr_open_regular(const char *path, int *ret_fd, uint64_t *ret_size, struct wr_error *err)
{
    struct stat st;
    wr_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open %.160s", path);
    if (!S_ISREG(st.st_mode))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.160s is not a regular file", path);
    *ret_fd = wr_steal_fd(&fd);
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

/* Standard input as a file of known length. */
static int collect_stdin(int *ret_fd, uint64_t *ret_size, struct wr_error *err)
{
    wr_auto_close int fd = memfd_create("program", MFD_CLOEXEC);
    char chunk[8192];
    uint64_t size = 0;

    if (fd < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "memory for the program");
    for (;;) {
        ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return wr_fail_errno(err, WR_E_UNKNOWN, "read the program from standard input");
        if (n == 0)
            break;
        size += (uint64_t)n;
        if (size > MAX_STDIN_PROGRAM)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "the program on standard input is larger than 64 MiB");
        int r = wr_write_all(fd, chunk, (size_t)n);
        if (r < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "memory for the program");
    }
    if (lseek(fd, 0, SEEK_SET) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "program");
    *ret_fd = wr_steal_fd(&fd);
    *ret_size = size;
    return 0;
}

int wr_program_upload(struct wr_transport *client, const char *sandbox_id, const char *file,
                      const char *name_if_stdin, char *ret_path, struct wr_error *err)
{
    const char *slash = strrchr(file, '/');
    struct wr_file_at at = {.sandbox_id = sandbox_id, .path = slash ? slash + 1 : file};
    struct wr_file_source source = {.ret_path = ret_path};
    wr_auto_close int fd = -1;
    int r;

    if (wr_streq(file, "-")) {
        at.path = name_if_stdin;
        r = collect_stdin(&fd, &source.length, err);
    } else {
        r = wr_open_regular(file, &fd, &source.length, err);
    }
    if (r < 0)
        return r;
    source.fd = fd;
    return wr_file_upload(client, &at, &source, err);
}

int wr_program_add_file(struct wr_transport *client, const char *sandbox_id, const char *spec,
                        struct wr_error *err)
{
    const char *colon = strrchr(spec, ':');
    struct wr_file_source source = {0};
    wr_auto_close int fd = -1;

    if (!colon || colon == spec || !colon[1])
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --file: %.100s is not HOST:PATH",
                       spec);
    wr_auto_free char *host = wr_strndup(spec, (size_t)(colon - spec));
    if (!host)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "option --file");
    struct wr_file_at at = {.sandbox_id = sandbox_id, .path = colon + 1};
    int r = wr_open_regular(host, &fd, &source.length, err);
    if (r < 0)
        return wr_wrap(err, "option --file");
    source.fd = fd;
    return wr_file_upload(client, &at, &source, err);
}
