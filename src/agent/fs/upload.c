#include "agent/fs/upload.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/fs/create.h"
#include "agent/fs/path.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"

#define ENTRIES_MAX ((size_t)32 * 1024 * 1024) /* bytes of the answer */

struct wr_upload_file {
    uint64_t hash; /* of the path: most comparisons end here */
    char *path;    /* owned, resolved */
};

void wr_upload_init(struct wr_upload *u, const struct wr_user *user, struct wr_metadata *metadata)
{
    *u = (struct wr_upload){
        .user = *user, .metadata = *metadata, .fd = -1, .entries = WR_BUF(ENTRIES_MAX)};
    *metadata = (struct wr_metadata){0};
}

void wr_upload_done(struct wr_upload *u)
{
    u->fd = wr_close(u->fd);
    for (size_t i = 0; i < u->count; i++)
        free(u->files[i].path);
    free(u->files);
    u->files = NULL;
    u->count = 0;
    wr_metadata_done(&u->metadata);
    wr_buf_done(&u->entries);
}

/* FNV-1a. */
static uint64_t hash(const char *s)
{
    uint64_t h = 14695981039346656037u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h;
}

static int remember(struct wr_upload *u, const char *path, struct wr_error *err)
{
    const uint64_t key = hash(path);

    for (size_t i = 0; i < u->count; i++) {
        if (u->files[i].hash == key && wr_streq(u->files[i].path, path)) {
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "you cannot upload multiple files to the same path '%.100s' in one "
                           "upload request, only the first specified file was uploaded",
                           path);
        }
    }
    if (u->count == WR_UPLOAD_MAX_FILES)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "more than %d files in one upload request",
                       WR_UPLOAD_MAX_FILES);
    /* Grown at powers of two. */
    if ((u->count & (u->count - 1)) == 0) {
        struct wr_upload_file *grown =
            realloc(u->files, WR_MAX(2 * u->count, (size_t)1) * sizeof(*grown));
        if (!grown)
            return wr_fail(err, WR_E_INTERNAL, 0, "no memory for the upload");
        u->files = grown;
    }
    char *copy = wr_strdup(path);
    if (!copy)
        return wr_fail(err, WR_E_INTERNAL, 0, "no memory for the upload");
    u->files[u->count++] = (struct wr_upload_file){key, copy};
    return 0;
}

int wr_upload_begin(struct wr_upload *u, const char *path, struct wr_error *err)
{
    int rc = remember(u, path, err);
    return rc < 0 ? rc : wr_file_create(path, &u->user, &u->fd, err);
}

static const char *current(const struct wr_upload *u)
{
    return u->files[u->count - 1].path;
}

int wr_upload_write(struct wr_upload *u, const char *bytes, size_t len, struct wr_error *err)
{
    int rc = wr_write_all(u->fd, bytes, len);
    return rc < 0 ? wr_file_fail(err, -rc, "writing to", current(u)) : 0;
}

void wr_upload_write_entry(struct wr_jw *w, const char *path, int fd)
{
    size_t base_len = 0;
    const char *base = wr_path_base(path, &base_len);

    wr_jw_object(w);
    wr_jw_kstr(w, "path", path);
    wr_jw_key(w, "name");
    wr_jw_strn(w, base, base_len);
    wr_jw_kstr(w, "type", "file");
    wr_metadata_write(fd, w);
    wr_jw_end(w);
}

int wr_upload_end(struct wr_upload *u, struct wr_error *err)
{
    struct wr_jw w;

    int rc = wr_metadata_store(u->fd, &u->metadata, current(u), err);
    if (rc < 0)
        return rc;
    bool fits = u->entries.len == 0 || wr_buf_append_char(&u->entries, ',') == 0;
    wr_jw_init(&w, &u->entries);
    wr_upload_write_entry(&w, current(u), u->fd);
    if (wr_jw_finish(&w) < 0 || !fits)
        return wr_fail(err, WR_E_INTERNAL, 0, "no memory for the answer about '%.160s'",
                       current(u));
    /* close() can be where a file system reports what it could not store. */
    int fd = wr_steal_fd(&u->fd);
    return close(fd) < 0 ? wr_file_fail(err, errno, "writing to", current(u)) : 0;
}
