#include "agent/fs/files_put.h"

#include <errno.h>
#include <unistd.h>

#include "agent/fs/create.h"
#include "agent/fs/path.h"
#include "agent/fs/target.h"
#include "agent/reply.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "json/jwrite.h"

#define ENTRY_MAX ((size_t)64 * 1024) /* the answer about one file: twice its path, escaped */

struct upload {
    int fd;              /* -1: given up; the rest of the body is read and dropped */
    struct wr_error err; /* code 0: none yet */
    int64_t length;      /* Content-Length, or -1 */
    char path[];         /* resolved */
};

static void on_body(struct wr_exchange *ex, const char *data, size_t len, void *data_ptr)
{
    struct upload *u = data_ptr;
    (void)ex;
    if (u->fd < 0)
        return;
    int rc = wr_write_all(u->fd, data, len);
    if (rc < 0) {
        /* The answer waits for the end of the body: a client that still sends would only see a
         * broken connection. */
        (void)wr_file_fail(&u->err, -rc, "writing to", u->path);
        u->fd = wr_close(u->fd);
    }
}

static void reply_failure(struct wr_exchange *ex, const struct upload *u)
{
    if (u->err.code == WR_E_INVALID_ARGUMENT) {
        wr_reply_error(ex, 400, "%s", u->err.msg);
    } else if (u->err.code != WR_E_RESOURCE_EXHAUSTED) {
        wr_reply_error(ex, 500, "%s", u->err.msg);
    } else if (u->length >= 0) {
        wr_reply_error(ex, 507, "attempted to write %lld bytes: not enough disk space available",
                       (long long)u->length);
    } else {
        wr_reply_error(ex, 507, "not enough disk space available");
    }
}

static void reply_entry(struct wr_exchange *ex, const char *path)
{
    wr_auto_buf body = WR_BUF(ENTRY_MAX);
    struct wr_jw w;
    size_t base_len = 0;
    const char *base = wr_path_base(path, &base_len);

    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "path", path);
    wr_jw_key(&w, "name");
    wr_jw_strn(&w, base, base_len);
    wr_jw_kstr(&w, "type", "file");
    wr_jw_end(&w);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0) {
        wr_reply_error(ex, 500, "no memory for the answer; the file '%s' was written", path);
        return;
    }
    wr_reply_json(ex, 200, &body);
}

static void on_body_end(struct wr_exchange *ex, void *data_ptr)
{
    struct upload *u = data_ptr;
    /* close() can be where a file system reports what it could not store. */
    if (u->fd >= 0 && close(u->fd) < 0)
        (void)wr_file_fail(&u->err, errno, "writing to", u->path);
    u->fd = -1;
    if (u->err.code) {
        reply_failure(ex, u);
    } else {
        reply_entry(ex, u->path);
    }
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data_ptr)
{
    struct upload *u = data_ptr;
    (void)ex;
    (void)aborted;
    u->fd = wr_close(u->fd);
    free(u);
}

static const struct wr_exchange_ops ops = {
    .on_body = on_body, .on_body_end = on_body_end, .on_close = on_close};

/* Media type without parameters, "" when the field is missing; false when it was answered already.
 */
static bool check_encoding_and_type(struct wr_exchange *ex)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    char encoding[64] = "", type[256] = "";

    if (wr_h1_find(head, "Content-Encoding") &&
        (!wr_h1_get(head, "Content-Encoding", encoding, sizeof(encoding)) ||
         (encoding[0] != '\0' && !wr_strcaseeq(encoding, "identity")))) {
        wr_reply_error(ex, 400,
                       "error decompressing request body: unsupported Content-Encoding: %s",
                       encoding);
        return false;
    }
    (void)wr_h1_get(head, "Content-Type", type, sizeof(type));
    size_t len = strcspn(type, "; \t");
    if (!wr_memcaseeq(type, len, "application/octet-stream", strlen("application/octet-stream"))) {
        wr_reply_error(
            ex, 400,
            "unsupported content type: %s, expected multipart/form-data or application/octet-stream",
            type);
        return false;
    }
    return true;
}

void wr_files_post(struct wr_agent *agent, struct wr_exchange *ex)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    struct wr_file_target target;

    if (!check_encoding_and_type(ex) || !wr_file_target_read(agent, ex, &target))
        return;
    if (!target.has_path) {
        wr_reply_error(ex, 400, "path query parameter is required for raw body upload");
        return;
    }
    size_t path_len = strlen(target.path);
    struct upload *u = wr_calloc(1, sizeof(*u) + path_len + 1);
    if (!u) {
        wr_reply_error(ex, 500, "no memory for the upload");
        return;
    }
    memcpy(u->path, target.path, path_len);
    u->length = head->framing == WR_H1_BODY_LENGTH ? (int64_t)head->content_length : -1;
    u->fd = -1;
    /* On failure the body is read all the same, and on_body_end answers. */
    (void)!wr_file_create(target.path, &target.user, &u->fd, &u->err);
    wr_exchange_set_ops(ex, &ops, u);
}
