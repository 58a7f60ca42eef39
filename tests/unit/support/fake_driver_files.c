/* The fake driver's files: paths are names, "a/b" and "/home/user/a/b" two different ones. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "json/value.h"
#include "support/fake_driver_internal.h"

#define MAX_UPLOAD (64 * WR_MIB)

static struct fake_file *find(const struct fake_sandbox *sandbox, const char *path)
{
    wr_list_foreach(it, &sandbox->files) {
        struct fake_file *file = wr_list_entry(it, struct fake_file, link);
        if (wr_streq(file->path, path))
            return file;
    }
    return NULL;
}

static struct fake_file *put(struct fake_sandbox *sandbox, const char *path, const void *bytes,
                             size_t len)
{
    struct fake_file *file = find(sandbox, path);

    if (file)
        fake_file_free(file);
    file = wr_calloc(1, sizeof *file);
    if (!file)
        abort();
    file->path = wr_strdup(path);
    file->bytes = wr_calloc(1, len + 1);
    if (!file->path || !file->bytes)
        abort();
    if (len > 0)
        memcpy(file->bytes, bytes, len);
    file->len = len;
    wr_list_append(&sandbox->files, &file->link);
    return file;
}

/* The lock is held after success. */
static int begin(struct fake_driver *driver, enum fake_op op, const struct wr_call *call,
                 const char *path, struct fake_sandbox **ret, struct wr_error *err)
{
    int r = fake_begin(driver, op, call, path, err);
    if (r < 0)
        return r;
    r = fake_sandbox_of(driver, call, ret, err);
    if (r < 0)
        fake_unlock(driver);
    return r;
}

static int no_file(const char *path, struct wr_error *err)
{
    return wr_fail(err, WR_E_NOT_FOUND, 0, "path '%.80s' does not exist", path);
}

static int file_read(void *self, const struct wr_call *call, const char *path, uint64_t max_bytes,
                     struct wr_bytes *ret, struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;

    int r = begin(self, FAKE_FILE_READ, call, path, &sandbox, err);
    if (r == 0) {
        const struct fake_file *file = find(sandbox, path);
        if (!file || file->dir)
            r = no_file(path, err);
        else if (file->len > max_bytes)
            r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the file is too large");
        if (r == 0) {
            ret->data = wr_calloc(1, file->len + 1);
            if (!ret->data)
                abort();
            memcpy(ret->data, file->bytes, file->len);
            ret->len = file->len;
        }
        fake_unlock(self);
    }
    fake_end(self, FAKE_FILE_READ);
    return r;
}

/* One call, whatever the number of files. */
static int file_write_all(void *self, const struct wr_call *call, const struct wr_file *files,
                          size_t count, struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;
    wr_auto_buf paths = WR_BUF(WR_MIB);

    for (size_t i = 0; i < count; i++)
        if (wr_buf_printf(&paths, "%s%s", i ? " " : "", files[i].path) < 0)
            abort();
    int r = begin(self, FAKE_FILE_WRITE, call, wr_buf_cstr(&paths), &sandbox, err);
    if (r == 0) {
        for (size_t i = 0; i < count; i++)
            put(sandbox, files[i].path, files[i].bytes, files[i].len);
        fake_unlock(self);
    }
    fake_end(self, FAKE_FILE_WRITE);
    return r;
}

static int file_upload(void *self, const struct wr_call *call, const char *path, int fd,
                       struct wr_error *err)
{
    wr_auto_buf content = WR_BUF(MAX_UPLOAD);
    ssize_t n = 1;

    while (n > 0) {
        char *room = wr_buf_reserve(&content, 65536);
        n = room ? read(fd, room, 65536) : -1;
        if (n > 0)
            wr_buf_commit(&content, (size_t)n);
    }
    if (n < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "read");
    const struct wr_file file = {path, wr_buf_ptr(&content), content.len};
    return file_write_all(self, call, &file, 1, err);
}

static int file_download(void *self, const struct wr_call *call, const char *path, int fd,
                         uint64_t max_bytes, struct wr_error *err)
{
    struct wr_bytes bytes = {0};

    int r = file_read(self, call, path, max_bytes, &bytes, err);
    if (r < 0)
        return r;
    int w = wr_write_all(fd, bytes.data, bytes.len);
    free(bytes.data);
    return w < 0 ? wr_fail(err, WR_E_INTERNAL, -w, "write") : 0;
}

static json_t *describe(const struct fake_file *file)
{
    const char *slash = strrchr(file->path, '/');

    return json_pack("{s:s, s:s, s:s, s:I}", "name", slash ? slash + 1 : file->path, "path",
                     file->path, "type", file->dir ? "FILE_TYPE_DIRECTORY" : "FILE_TYPE_FILE",
                     "size", (json_int_t)file->len);
}

static int file_list(void *self, const struct wr_call *call, const char *path, unsigned depth,
                     struct wr_value **ret, struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;
    size_t len = strlen(path);

    (void)depth; /* everything below */
    int r = begin(self, FAKE_FILE_OTHER, call, path, &sandbox, err);
    if (r == 0) {
        json_t *list = json_array();
        wr_list_foreach(it, &sandbox->files) {
            const struct fake_file *file = wr_list_entry(it, struct fake_file, link);
            if (wr_starts_with(file->path, path) && file->path[len] == '/')
                json_array_append_new(list, describe(file));
        }
        *ret = wr_value_of_json(list);
        fake_unlock(self);
    }
    fake_end(self, FAKE_FILE_OTHER);
    return r;
}

static int file_stat(void *self, const struct wr_call *call, const char *path,
                     struct wr_value **ret, struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;

    int r = begin(self, FAKE_FILE_OTHER, call, path, &sandbox, err);
    if (r == 0) {
        const struct fake_file *file = find(sandbox, path);
        if (file)
            *ret = wr_value_of_json(describe(file));
        else
            r = no_file(path, err);
        fake_unlock(self);
    }
    fake_end(self, FAKE_FILE_OTHER);
    return r;
}

static int file_make_dir(void *self, const struct wr_call *call, const char *path,
                         struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;

    int r = begin(self, FAKE_FILE_OTHER, call, path, &sandbox, err);
    if (r == 0) {
        if (find(sandbox, path))
            r = wr_fail(err, WR_E_ALREADY_EXISTS, 0, "%.80s exists", path);
        else
            put(sandbox, path, "", 0)->dir = true;
        fake_unlock(self);
    }
    fake_end(self, FAKE_FILE_OTHER);
    return r;
}

static int file_rename(void *self, const struct wr_call *call, const char *from, const char *to,
                       struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;

    int r = begin(self, FAKE_FILE_OTHER, call, from, &sandbox, err);
    if (r == 0) {
        struct fake_file *file = find(sandbox, from);
        if (file) {
            free(file->path);
            file->path = wr_strdup(to);
        } else {
            r = no_file(from, err);
        }
        fake_unlock(self);
    }
    fake_end(self, FAKE_FILE_OTHER);
    return r;
}

static int file_remove(void *self, const struct wr_call *call, const char *path,
                       struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;
    size_t len = strlen(path);

    int r = begin(self, FAKE_FILE_OTHER, call, path, &sandbox, err);
    if (r == 0) {
        wr_list_foreach(it, &sandbox->files) {
            struct fake_file *file = wr_list_entry(it, struct fake_file, link);
            if (wr_streq(file->path, path) ||
                (wr_starts_with(file->path, path) && file->path[len] == '/'))
                fake_file_free(file);
        }
        fake_unlock(self);
    }
    fake_end(self, FAKE_FILE_OTHER);
    return r;
}

/* Nothing changes by itself here: it waits for its token. */
static int file_watch(void *self, const struct wr_call *call, const struct wr_watch *watch,
                      struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;

    int r = begin(self, FAKE_FILE_OTHER, call, watch->path, &sandbox, err);
    if (r == 0)
        fake_unlock(self);
    if (r == 0 && call->wait.cancel) {
        struct pollfd fd = {.fd = wr_cancel_fd(call->wait.cancel), .events = POLLIN};
        while (poll(&fd, 1, -1) < 0)
            ;
        r = wr_fail(err, WR_E_CANCELED, 0, "watch: cancelled");
    }
    fake_end(self, FAKE_FILE_OTHER);
    return r;
}

void fake_driver_ops_files(struct wr_driver_ops *ops)
{
    ops->file_read = file_read;
    ops->file_write_all = file_write_all;
    ops->file_upload = file_upload;
    ops->file_download = file_download;
    ops->file_list = file_list;
    ops->file_stat = file_stat;
    ops->file_make_dir = file_make_dir;
    ops->file_rename = file_rename;
    ops->file_remove = file_remove;
    ops->file_watch = file_watch;
}
