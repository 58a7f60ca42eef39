/*
 * The body goes through up to three stages: unpacked (gzip), taken apart (multipart), written
 * (upload.c). Each pushes what it has into the next, so memory does not depend on the length.
 */
#include "agent/fs/files_put.h"

#include "agent/fs/gzip.h"
#include "agent/fs/multipart.h"
#include "agent/fs/path.h"
#include "agent/fs/target.h"
#include "agent/fs/upload.h"
#include "agent/reply.h"
#include "base/alloc.h"
#include "base/str.h"

struct post {
    struct wr_upload upload;
    struct wr_gunzip *gunzip; /* NULL: the body is plain */
    bool multipart;           /* else it is one file */
    struct wr_multipart parts;
    bool in_file;        /* the current part is a file */
    struct wr_error err; /* code 0: none yet; else the rest of the body is dropped */
    int64_t length;      /* Content-Length, or -1 */
    const char *workdir; /* default one, borrowed */
    bool has_path;       /* the query names the target */
    char path[PATH_MAX];
};

static int on_part(const struct wr_multipart_part *part, void *data, struct wr_error *err)
{
    struct post *p = data;
    char path[PATH_MAX];

    p->in_file = wr_streq(part->name, "file");
    if (!p->in_file)
        return 0;
    if (p->has_path)
        return wr_upload_begin(&p->upload, p->path, err);
    if (!part->has_filename)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "a part has no filename, and the query has no path");
    int rc = wr_path_resolve(part->filename, &p->upload.user, p->workdir, path, err);
    return rc < 0 ? rc : wr_upload_begin(&p->upload, path, err);
}

static int on_part_data(const char *bytes, size_t len, void *data, struct wr_error *err)
{
    struct post *p = data;
    return p->in_file ? wr_upload_write(&p->upload, bytes, len, err) : 0;
}

static int on_part_end(void *data, struct wr_error *err)
{
    struct post *p = data;
    return p->in_file ? wr_upload_end(&p->upload, err) : 0;
}

static const struct wr_multipart_ops part_ops = {on_part, on_part_data, on_part_end};

/* Plain bytes of the body. */
static int take(const char *bytes, size_t len, void *data, struct wr_error *err)
{
    struct post *p = data;
    return p->multipart ? wr_multipart_feed(&p->parts, bytes, len, err)
                        : wr_upload_write(&p->upload, bytes, len, err);
}

static int take_end(struct post *p, struct wr_error *err)
{
    int rc = p->gunzip ? wr_gunzip_finish(p->gunzip, err) : 0;
    if (rc < 0)
        return rc;
    return p->multipart ? wr_multipart_finish(&p->parts, err) : wr_upload_end(&p->upload, err);
}

static void on_body(struct wr_exchange *ex, const char *data, size_t len, void *data_ptr)
{
    struct post *p = data_ptr;

    (void)ex;
    /* After a failure the answer waits for the end of the body: a client that still sends would
     * only see a broken connection. */
    if (p->err.code)
        return;
    int rc =
        p->gunzip ? wr_gunzip_feed(p->gunzip, data, len, &p->err) : take(data, len, p, &p->err);
    if (rc < 0)
        wr_upload_done(&p->upload);
}

static void reply_failure(struct wr_exchange *ex, const struct post *p)
{
    if (p->err.code == WR_E_INVALID_ARGUMENT) {
        wr_reply_error(ex, 400, "%s", p->err.msg);
    } else if (p->err.code != WR_E_RESOURCE_EXHAUSTED) {
        wr_reply_error(ex, 500, "%s", p->err.msg);
    } else if (p->length >= 0) {
        wr_reply_error(ex, 507, "attempted to write %lld bytes: not enough disk space available",
                       (long long)p->length);
    } else {
        wr_reply_error(ex, 507, "not enough disk space available");
    }
}

static void on_body_end(struct wr_exchange *ex, void *data_ptr)
{
    struct post *p = data_ptr;
    struct wr_buf *entries = &p->upload.entries;
    wr_auto_buf body = WR_BUF(entries->max + 2);

    if (p->err.code || take_end(p, &p->err) < 0) {
        reply_failure(ex, p);
        return;
    }
    if (wr_buf_append_char(&body, '[') < 0 ||
        wr_buf_append(&body, wr_buf_ptr(entries), entries->len) < 0 ||
        wr_buf_append_char(&body, ']') < 0) {
        wr_reply_error(ex, 500, "no memory for the answer; the files were written");
        return;
    }
    wr_reply_json(ex, 200, &body);
}

static void post_free(struct post *p)
{
    wr_upload_done(&p->upload);
    wr_multipart_done(&p->parts);
    p->gunzip = wr_gunzip_free(p->gunzip);
    free(p);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data_ptr)
{
    (void)ex;
    (void)aborted;
    post_free(data_ptr);
}

static const struct wr_exchange_ops ops = {
    .on_body = on_body, .on_body_end = on_body_end, .on_close = on_close};

static int choose_encoding(struct post *p, const struct wr_h1_head *head, struct wr_error *err)
{
    const struct wr_h1_header *field = wr_h1_find(head, "Content-Encoding");
    const char *value = field ? field->value : "";
    size_t len = field ? field->value_len : 0;

    if (len == 0 || wr_memcaseeq(value, len, "identity", strlen("identity")))
        return 0;
    if (wr_memcaseeq(value, len, "gzip", strlen("gzip")))
        return wr_gunzip_new(take, p, &p->gunzip, err);
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "error decompressing request body: unsupported Content-Encoding: %.*s, "
                   "supported: gzip, identity",
                   (int)WR_MIN(len, (size_t)64), value);
}

static int choose_type(struct post *p, const struct wr_h1_head *head, struct wr_error *err)
{
    static const char raw[] = "application/octet-stream";
    char type[512] = "";

    (void)wr_h1_get(head, "Content-Type", type, sizeof(type));
    if (wr_multipart_is(type)) {
        p->multipart = true;
        return wr_multipart_init(&p->parts, type, &part_ops, p, err);
    }
    if (!wr_memcaseeq(type, strcspn(type, "; \t"), raw, strlen(raw))) {
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "unsupported content type: %.80s, expected multipart/form-data or "
                       "application/octet-stream",
                       type);
    }
    if (!p->has_path)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "path query parameter is required for raw body upload");
    return 0;
}

static struct post *post_new(const struct wr_agent *agent, const struct wr_h1_head *head,
                             const struct wr_file_target *target, struct wr_metadata *metadata)
{
    struct post *p = wr_calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    wr_upload_init(&p->upload, &target->user, metadata);
    p->length = head->framing == WR_H1_BODY_LENGTH ? (int64_t)head->content_length : -1;
    p->workdir = agent->config->default_workdir;
    p->has_path = target->has_path;
    memcpy(p->path, target->path, strlen(target->path) + 1);
    return p;
}

void wr_files_post(struct wr_agent *agent, struct wr_exchange *ex)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    WR_CLEANUP(wr_metadata_done) struct wr_metadata metadata = {0};
    struct wr_file_target target;
    struct wr_error err;

    if (!wr_file_target_read(agent, ex, "write", &target))
        return;
    int rc = wr_metadata_parse(head, &metadata, &err);
    if (rc < 0) {
        wr_reply_error_late(ex, 400, "%s", err.msg);
        return;
    }
    struct post *p = post_new(agent, head, &target, &metadata);
    if (!p) {
        wr_reply_error_late(ex, 500, "no memory for the upload");
        return;
    }
    rc = choose_encoding(p, head, &p->err);
    if (rc == 0)
        rc = choose_type(p, head, &p->err);
    /* From here on the body is read whatever happens, and on_body_end answers. */
    if (rc == 0 && !p->multipart)
        (void)!wr_upload_begin(&p->upload, p->path, &p->err);
    wr_exchange_set_ops(ex, &ops, p);
    if (p->err.code && head->expect_continue)
        reply_failure(ex, p);
}
