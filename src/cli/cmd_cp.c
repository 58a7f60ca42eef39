#include "cli/cmd_cp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/awake.h"
#include "cli/guest_stream.h"
#include "cli/new_file.h"
#include "cli/program.h"
#include "cli/tar_extract.h"
#include "cli/tar_pack.h"

#define MAX_SIZE_DEFAULT (16 * WR_GIB)

struct values {
    const char *user;
    uint64_t max_size;
    bool recursive;
};

static const struct wr_opt opts[] = {
    {"recursive", 'r', WR_OPT_FLAG, offsetof(struct values, recursive), NULL, "copy directories", 0,
     0, false},
    {"user", 'u', WR_OPT_STRING, offsetof(struct values, user), "NAME",
     "user in the sandbox (the template's)", 0, 0, false},
    {"max-size", 0, WR_OPT_SIZE, offsetof(struct values, max_size), "SIZE",
     "most bytes to take out of a sandbox (16G)", 1, INT64_MAX, false},
};

/* "<id>:<path>". */
static bool split_remote(const char *text, char id[static WR_ID_LEN + 1], const char **ret_path)
{
    if (strlen(text) <= WR_ID_LEN || text[WR_ID_LEN] != ':')
        return false;
    memcpy(id, text, WR_ID_LEN);
    id[WR_ID_LEN] = '\0';
    *ret_path = text + WR_ID_LEN + 1;
    return wr_id_valid(id);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

struct job {
    const struct values *values;
    struct wr_transport *client;
    char id[WR_ID_LEN + 1];
    const char *remote, *host;
};

/* ---- into the sandbox ---- */

static int upload_file(const struct job *job, struct wr_error *err)
{
    wr_auto_close int fd = -1;
    struct wr_file_source source = {0};
    size_t len = strlen(job->remote);
    bool into_dir = len == 0 || job->remote[len - 1] == '/';
    wr_auto_free char *path =
        wr_asprintf("%s%s", job->remote, into_dir ? base_name(job->host) : "");

    if (!path)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "copy");
    int r = wr_open_regular(job->host, &fd, &source.length, err);
    if (r < 0)
        return r;
    struct wr_file_at at = {.sandbox_id = job->id, .path = path, .user = job->values->user};
    source.fd = fd;
    return wr_file_upload(job->client, &at, &source, err);
}

static int write_to_guest(void *data, const void *bytes, size_t len, struct wr_error *err)
{
    return wr_guest_stream_write(data, bytes, len, err);
}

static int upload_directory(const struct job *job, struct wr_error *err)
{
    /* As cp: into an existing directory under the own name, else as the new directory. */
    static const char script[] = "d=$1; [ -d \"$d\" ] && d=$d/$2; "
                                 "mkdir -p -- \"$d\" && exec tar -x -o -C \"$d\" -f -";
    char absolute[PATH_MAX];
    struct wr_guest_stream *stream = NULL;

    if (!realpath(job->host, absolute))
        return wr_fail_errno(err, wr_code_from_errno(errno), "%.150s", job->host);
    const char *args[] = {"-c", script, "sh", *job->remote ? job->remote : ".",
                          base_name(absolute)};
    struct wr_process_opts process = {.sandbox_id = job->id,
                                      .user = job->values->user,
                                      .cmd = "/bin/sh",
                                      .args = args,
                                      .arg_count = WR_ARRAY_SIZE(args)};
    int r = wr_guest_stream_open(job->client, &process, true, &stream, err);
    if (r == 0)
        r = wr_tar_pack(absolute, write_to_guest, stream, err);
    if (r == 0)
        r = wr_guest_stream_finish(stream, err);
    wr_guest_stream_free(stream);
    return r;
}

/* ---- out of the sandbox ---- */

static int fill(int fd, void *data, struct wr_error *err)
{
    const struct job *job = data;
    struct wr_file_at at = {.sandbox_id = job->id, .path = job->remote, .user = job->values->user};

    return wr_file_download(job->client, &at, fd, job->values->max_size, err);
}

static int download_file(struct job *job, struct wr_error *err)
{
    const char *name = base_name(job->remote);
    struct stat st;

    if (wr_streq(job->host, "-"))
        return fill(STDOUT_FILENO, job, err);
    bool exists = stat(job->host, &st) == 0;
    if (exists && S_ISDIR(st.st_mode)) {
        if (!*name || wr_streq(name, ".") || wr_streq(name, ".."))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.100s has no file name", job->remote);
        wr_auto_free char *path = wr_asprintf("%s/%s", job->host, name);
        return path ? wr_new_file(path, fill, job, err)
                    : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "copy");
    }
    if (!exists || S_ISREG(st.st_mode))
        return wr_new_file(job->host, fill, job, err);
    wr_auto_close int fd = open(job->host, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open %.150s", job->host);
    return fill(fd, job, err);
}

static ssize_t read_from_guest(void *data, const void **ret, struct wr_error *err)
{
    return wr_guest_stream_read(data, ret, err);
}

static void on_skipped(const char *path, void *data)
{
    (void)data;
    fputs("warren: left out (not a file, directory or link): ", stderr);
    for (const char *p = path; *p; p++)
        putc((unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p, stderr);
    putc('\n', stderr);
}

/* The directory that the copy fills, made here. */
static int make_target(const struct job *job, int *ret_fd, struct wr_error *err)
{
    struct stat st;
    wr_auto_free char *remote = wr_strdup(job->remote);

    if (!remote)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "copy");
    for (size_t len = strlen(remote); len > 1 && remote[len - 1] == '/'; len--)
        remote[len - 1] = '\0';
    const char *name = base_name(remote);
    bool inside = stat(job->host, &st) == 0 && *name && !wr_streq(name, ".") &&
                  !wr_streq(name, "..") && S_ISDIR(st.st_mode);
    wr_auto_free char *path =
        wr_asprintf("%s%s%s", job->host, inside ? "/" : "", inside ? name : "");
    if (!path)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "copy");
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return wr_fail_errno(err, wr_code_from_errno(errno), "make directory %.150s", path);
    /* The last name comes from the sandbox's side of the command line: a link there is not
     * followed. */
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (inside ? O_NOFOLLOW : 0));
    if (*ret_fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open %.150s", path);
    return 0;
}

static int download_directory(const struct job *job, struct wr_error *err)
{
    static const char script[] = "cd -- \"$1\" && exec tar -c -f - .";
    const char *args[] = {"-c", script, "sh", *job->remote ? job->remote : "."};
    struct wr_process_opts process = {.sandbox_id = job->id,
                                      .user = job->values->user,
                                      .cmd = "/bin/sh",
                                      .args = args,
                                      .arg_count = WR_ARRAY_SIZE(args)};
    struct wr_guest_stream *stream = NULL;
    wr_auto_close int dir_fd = -1;

    int r = wr_guest_stream_open(job->client, &process, false, &stream, err);
    if (r == 0)
        r = make_target(job, &dir_fd, err);
    if (r == 0) {
        struct wr_tar_extract extract = {.dir_fd = dir_fd,
                                         .read = read_from_guest,
                                         .data = stream,
                                         .max_bytes = job->values->max_size,
                                         .skipped = on_skipped};
        r = wr_tar_extract(&extract, err);
    }
    if (r == 0)
        r = wr_guest_stream_finish(stream, err);
    wr_guest_stream_free(stream);
    return r;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    struct values values = *(const struct values *)in->values;
    struct job job = {.values = &values};
    bool from = split_remote(in->args[0], job.id, &job.remote);
    struct stat st = {0};

    if (values.max_size == 0)
        values.max_size = MAX_SIZE_DEFAULT;
    bool to = !from && split_remote(in->args[1], job.id, &job.remote);
    char unused_id[WR_ID_LEN + 1];
    const char *unused = NULL;
    if (from == to || (from && split_remote(in->args[1], unused_id, &unused)))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "cp: exactly one side must be ID:PATH (the id has %d characters)",
                       WR_ID_LEN);
    job.host = in->args[from ? 1 : 0];
    /* Before a paused sandbox is resumed for it. */
    if (!from && stat(job.host, &st) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open %.150s", job.host);
    bool directory = !from && S_ISDIR(st.st_mode);
    if (directory && !values.recursive)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.150s is a directory; use cp -r", job.host);
    int r = wr_cli_connect(in, &job.client, err);
    if (r == 0)
        r = wr_cli_awake(job.client, job.id, err);
    if (r == 0) {
        if (from)
            r = values.recursive ? download_directory(&job, err) : download_file(&job, err);
        else
            r = directory ? upload_directory(&job, err) : upload_file(&job, err);
    }
    wr_transport_free(job.client);
    return r;
}

const struct wr_command wr_cmd_cp = {
    .name = "cp",
    .summary = "Copy files into and out of a sandbox",
    .usage = "[-r] HOST ID:PATH | ID:PATH HOST",
    .details = "A relative PATH starts at the user's home. Out of a sandbox nothing is written\n"
               "outside HOST, whatever the sandbox contains; HOST - is standard output.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 2,
    .max_args = 2,
    .run = run,
};
