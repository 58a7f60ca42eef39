#include <string.h>

#include "base/error.h"
#include "client/handles.h"

#define DEFAULT_MAX_BYTES (64 * WR_MIB)

static int begin(const struct wr_sandbox *sandbox, const char *path, const char *user,
                 const struct wr_wait *wait, struct wr_call *ret, struct wr_error *err)
{
    int r = wr_opts_check_text(path, "file: path", err);
    if (r == 0 && user)
        r = wr_opts_check_text(user, "file: user", err);
    if (r == 0)
        r = wr_call_begin(sandbox, wait, 0, ret, err);
    if (r == 0)
        ret->user = user;
    return r;
}

int wr_files_read(struct wr_sandbox *sandbox, const char *path, const char *user,
                  uint64_t max_bytes, const struct wr_wait *wait, char **ret, size_t *ret_len,
                  struct wr_error *err)
{
    struct wr_call call = {0};
    struct wr_bytes bytes = {0};

    int r = begin(sandbox, path, user, wait, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    r = driver->ops->file_read(driver->self, &call, path, max_bytes ? max_bytes : DEFAULT_MAX_BYTES,
                               &bytes, err);
    if (r < 0)
        return r;
    *ret = bytes.data;
    *ret_len = bytes.len;
    return 0;
}

int wr_files_write(struct wr_sandbox *sandbox, const char *path, const char *user,
                   const void *bytes, size_t len, const struct wr_wait *wait, struct wr_error *err)
{
    const struct wr_file file = {path, bytes, len};

    return wr_files_write_all(sandbox, &file, 1, user, wait, err);
}

int wr_files_write_all(struct wr_sandbox *sandbox, const struct wr_file *files, size_t count,
                       const char *user, const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_call call = {0};

    if (count == 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        int r = wr_opts_check_text(files[i].path, "file: path", err);
        if (r < 0)
            return r;
        if (!files[i].bytes && files[i].len > 0)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "file %.60s: its bytes are NULL",
                           files[i].path);
    }
    int r = begin(sandbox, files[0].path, user, wait, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->file_write_all(driver->self, &call, files, count, err);
}

int wr_files_upload(struct wr_sandbox *sandbox, const char *path, const char *user, int fd,
                    const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = begin(sandbox, path, user, wait, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->file_upload(driver->self, &call, path, fd, err);
}

int wr_files_download(struct wr_sandbox *sandbox, const char *path, const char *user, int fd,
                      uint64_t max_bytes, const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = begin(sandbox, path, user, wait, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->file_download(driver->self, &call, path, fd,
                                      max_bytes ? max_bytes : UINT64_MAX, err);
}

int wr_files_list(struct wr_sandbox *sandbox, const char *path, const char *user, unsigned depth,
                  const struct wr_wait *wait, struct wr_value **ret, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = begin(sandbox, path, user, wait, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->file_list(driver->self, &call, path, depth ? depth : 1, ret, err);
}

int wr_files_stat(struct wr_sandbox *sandbox, const char *path, const char *user,
                  const struct wr_wait *wait, struct wr_value **ret, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = begin(sandbox, path, user, wait, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->file_stat(driver->self, &call, path, ret, err);
}

int wr_files_make_dir(struct wr_sandbox *sandbox, const char *path, const char *user,
                      const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = begin(sandbox, path, user, wait, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->file_make_dir(driver->self, &call, path, err);
}

int wr_files_rename(struct wr_sandbox *sandbox, const char *from, const char *to, const char *user,
                    const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = wr_opts_check_text(to, "file: new path", err);
    if (r == 0)
        r = begin(sandbox, from, user, wait, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->file_rename(driver->self, &call, from, to, err);
}

int wr_files_remove(struct wr_sandbox *sandbox, const char *path, const char *user,
                    const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_call call = {0};

    int r = begin(sandbox, path, user, wait, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->file_remove(driver->self, &call, path, err);
}

int wr_files_watch(struct wr_sandbox *sandbox, const char *path, bool recursive,
                   const struct wr_wait *wait, wr_files_watch_fn fn, void *data,
                   struct wr_error *err)
{
    const struct wr_watch watch = {path, recursive, fn, data};
    struct wr_call call = {0};

    if (!fn)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "watch: the function is NULL");
    int r = wr_opts_check_text(path, "watch: path", err);
    if (r == 0)
        r = wr_call_begin(sandbox, wait, WR_WAIT_NO_END, &call, err);
    if (r < 0)
        return r;
    const struct wr_driver *driver = &sandbox->client->driver;
    return driver->ops->file_watch(driver->self, &call, &watch, err);
}
