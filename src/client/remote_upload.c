/* Files into a sandbox: one request of multipart/form-data, whatever their number, as the SDKs send
 * it. Nothing is copied: the body is written piece by piece from where the bytes are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"
#include "client/remote_files.h"
#include "client/remote_ops.h"
#include "engine/action.h"

#define BOUNDARY_LEN 40
#define HEADS_MAX    ((size_t)64 * 1024 * 1024)
#define PIECE_MAX    ((size_t)256 * 1024)

/* A part of the body: bytes in memory, or of a file. */
struct piece {
    size_t head_at; /* within the heads, when `bytes` is NULL and there is no file */
    const char *bytes;
    int fd; /* -1: none */
    uint64_t len;
};

struct upload {
    char boundary[BOUNDARY_LEN + 1];
    struct wr_buf heads;  /* heads of parts, and the end */
    struct piece *pieces; /* owned */
    size_t count, at;
    uint64_t done;   /* of the piece at `at` */
    uint64_t length; /* of the body */
    char *chunk;     /* owned; for a file */
    bool full;       /* the connection wants no more for now */
    bool sent, ended;
    struct wr_error error;
};

static void upload_done(struct upload *upload)
{
    wr_buf_done(&upload->heads);
    free(upload->pieces);
    free(upload->chunk);
}

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "upload");
}

static void add_piece(struct upload *upload, const struct piece *piece)
{
    upload->pieces[upload->count++] = *piece;
    upload->length += piece->len;
}

/* A name between quotation marks; control characters have no place in a head. */
static int append_quoted(struct wr_buf *out, const char *name, struct wr_error *err)
{
    int r = 0;

    for (const char *c = name; r == 0 && *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "path %.60s: control characters; write this file alone", name);
        if (*c == '"' || *c == '\\')
            r = wr_buf_append_char(out, '\\');
        if (r == 0)
            r = wr_buf_append_char(out, *c);
    }
    return r < 0 ? no_memory(err) : 0;
}

static int add_head(struct upload *upload, const char *filename, struct wr_error *err)
{
    size_t at = upload->heads.len;

    int r = wr_buf_printf(&upload->heads,
                          "%s--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"",
                          upload->count ? "\r\n" : "", upload->boundary);
    if (r < 0)
        return no_memory(err);
    r = append_quoted(&upload->heads, filename, err);
    if (r < 0)
        return r;
    r = wr_buf_append_str(&upload->heads, "\"\r\nContent-Type: application/octet-stream\r\n\r\n");
    if (r < 0)
        return no_memory(err);
    add_piece(upload, &(struct piece){.head_at = at, .fd = -1, .len = upload->heads.len - at});
    return 0;
}

static int add_end(struct upload *upload, struct wr_error *err)
{
    size_t at = upload->heads.len;

    if (wr_buf_printf(&upload->heads, "\r\n--%s--\r\n", upload->boundary) < 0)
        return no_memory(err);
    add_piece(upload, &(struct piece){.head_at = at, .fd = -1, .len = upload->heads.len - at});
    return 0;
}

static int upload_init(struct upload *upload, size_t count, struct wr_error *err)
{
    *upload = (struct upload){.pieces = wr_calloc(count * 2 + 1, sizeof(struct piece))};
    wr_buf_init(&upload->heads, HEADS_MAX);
    wr_random_id(upload->boundary, BOUNDARY_LEN);
    return upload->pieces ? 0 : no_memory(err);
}

/* ---- sending ---- */

static void on_drain(struct wr_transport_call *call, void *data)
{
    struct upload *upload = data;

    (void)call;
    upload->full = false;
}

static void on_end(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    struct upload *upload = data;

    (void)call;
    upload->ended = true;
    if (error)
        upload->error = *error;
}

/* The next bytes of the piece at hand; the number, or -WR_E_*. */
static ssize_t next_bytes(struct upload *upload, const char **ret, struct wr_error *err)
{
    const struct piece *piece = &upload->pieces[upload->at];
    size_t len = (size_t)WR_MIN(piece->len - upload->done, (uint64_t)PIECE_MAX);

    if (piece->fd < 0) {
        const char *from =
            piece->bytes ? piece->bytes : wr_buf_ptr(&upload->heads) + piece->head_at;
        *ret = from + upload->done;
        return (ssize_t)len;
    }
    ssize_t n = wr_read_full(piece->fd, upload->chunk, len);
    if (n < (ssize_t)len)
        return wr_fail(err, n < 0 ? wr_code_from_errno((int)-n) : WR_E_ABORTED, n < 0 ? (int)-n : 0,
                       "upload: the file cannot be read to its end");
    *ret = upload->chunk;
    return n;
}

static int send_some(struct upload *upload, struct wr_transport_call *call, struct wr_error *err)
{
    while (upload->at < upload->count && !upload->full && !upload->ended) {
        const struct piece *piece = &upload->pieces[upload->at];
        if (upload->done == piece->len) {
            upload->at++;
            upload->done = 0;
            continue;
        }
        const char *bytes = NULL;
        ssize_t n = next_bytes(upload, &bytes, err);
        if (n < 0)
            return (int)n;
        upload->done += (uint64_t)n;
        upload->full = wr_transport_write(call, bytes, (size_t)n) != WR_HTTP_MORE;
    }
    if (upload->at == upload->count && !upload->sent && !upload->ended) {
        upload->sent = true;
        wr_transport_end(call);
    }
    return 0;
}

/* `path` NULL: the parts name their files themselves. */
static int upload_run(struct upload *upload, void *self, const struct wr_call *call,
                      const char *path, struct wr_error *err)
{
    static const struct wr_transport_ops ops = {.on_drain = on_drain, .on_end = on_end};
    char target[WR_REMOTE_FILES_TARGET_MAX] = "", type[BOUNDARY_LEN + 48];
    struct wr_transport_request request = wr_remote_inside(call, WR_AGENT_PORT, "POST", target);
    struct wr_transport_call *http = NULL;
    struct wr_remote_use use = {0};

    request.content_type = type;
    request.stream = true;
    request.stream_length = (int64_t)upload->length;
    int r = wr_remote_files_target(call, path, target, err);
    if (r == 0 &&
        !wr_strformat(type, sizeof type, "multipart/form-data; boundary=%s", upload->boundary))
        r = wr_fail(err, WR_E_INTERNAL, 0, "upload");
    if (r == 0)
        r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_check_reach(&use, call, err);
    if (r == 0)
        r = wr_transport_begin(use.transport, &request, &ops, upload, &http, err);
    while (r == 0 && !upload->ended) {
        r = send_some(upload, http, err);
        if (r == 0 && !upload->ended)
            r = wr_remote_step(&use, "upload", err);
    }
    if (http && !upload->ended)
        wr_transport_cancel(http);
    if (r == 0 && upload->error.code != WR_OK) {
        *err = upload->error;
        r = wr_remote_explain(&use, call, "files were written", err);
    }
    wr_remote_end(&use);
    return r;
}

int wr_remote_file_write_all(void *self, const struct wr_call *call, const struct wr_file *files,
                             size_t count, struct wr_error *err)
{
    struct upload upload;

    int r = upload_init(&upload, count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        /* A single one is named by the query, which can hold every name. */
        r = add_head(&upload, count == 1 ? "file" : files[i].path, err);
        if (r == 0)
            add_piece(&upload, &(struct piece){.bytes = files[i].bytes ? files[i].bytes : "",
                                               .fd = -1,
                                               .len = files[i].len});
    }
    if (r == 0)
        r = add_end(&upload, err);
    if (r == 0)
        r = upload_run(&upload, self, call, count == 1 ? files[0].path : NULL, err);
    upload_done(&upload);
    return r;
}

/* Bytes from the position to the end. */
static int length_of(int fd, uint64_t *ret, struct wr_error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "upload");
    if (!S_ISREG(st.st_mode))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "upload: not a regular file");
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (at < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "upload");
    *ret = st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
    return 0;
}

int wr_remote_file_upload(void *self, const struct wr_call *call, const char *path, int fd,
                          struct wr_error *err)
{
    struct upload upload;
    uint64_t len = 0;

    int r = upload_init(&upload, 1, err);
    if (r == 0)
        r = length_of(fd, &len, err);
    if (r == 0) {
        upload.chunk = wr_calloc(1, PIECE_MAX);
        r = upload.chunk ? add_head(&upload, "file", err) : no_memory(err);
    }
    if (r == 0) {
        add_piece(&upload, &(struct piece){.fd = fd, .len = len});
        r = add_end(&upload, err);
    }
    if (r == 0)
        r = upload_run(&upload, self, call, path, err);
    upload_done(&upload);
    return r;
}
