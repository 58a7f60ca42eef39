#include "client/files.h"

#include <errno.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/action.h"
#include "json/jread.h"

#define TARGET_MAX       (3 * WR_FILE_PATH_MAX / 2) /* most names need no escapes */
#define STALL_TIMEOUT_MS 60000                      /* without any progress */

/* Everything but [A-Za-z0-9-._~/] as %XX: stricter than a query needs, so '+' and '&' in names
 * survive. */
static bool encode_query(const char *s, char *out, size_t cap)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~/";
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;

    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (n + 4 > cap)
            return false;
        if (strchr(plain, c)) {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '%';
        out[n++] = hex[c >> 4];
        out[n++] = hex[c & 15];
    }
    out[n] = '\0';
    return true;
}

static int files_target(const struct wr_file_at *at, char *out, size_t cap, struct wr_error *err)
{
    char path[TARGET_MAX - 512], user[256] = "", root[64] = "";

    if (!encode_query(at->path, path, sizeof path) ||
        (at->user && !encode_query(at->user, user, sizeof user)) ||
        (!at->sandbox_id &&
         !wr_strformat(root, sizeof root, "/volumecontent/%.40s", at->volume_id)) ||
        !wr_strformat(out, cap, "%s%s?path=%s%s%s%s", root, at->sandbox_id ? "/files" : "/file",
                      path, at->user ? "&username=" : "", user,
                      at->sandbox_id ? "" : "&force=true"))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path %.60s...: too long", at->path);
    return 0;
}

struct transfer {
    int fd;
    bool fd_is_source; /* an upload: the answer's body is collected */
    struct wr_buf answer;
    uint64_t left; /* upload: to send; download: still allowed */
    bool full;     /* the output wants no more for now */
    bool done;
    bool progress;
    struct wr_error error;
};

static void on_body(struct wr_transport_call *call, const char *bytes, size_t len, void *data)
{
    struct transfer *t = data;

    (void)call;
    t->progress = true;
    if (t->error.code != WR_OK)
        return;
    if (t->fd_is_source) {
        if (wr_buf_append(&t->answer, bytes, len) < 0)
            (void)wr_fail(&t->error, WR_E_INTERNAL, 0, "the agent's answer is too large");
        return;
    }
    if (len > t->left) {
        (void)wr_fail(&t->error, WR_E_RESOURCE_EXHAUSTED, 0, "the file is too large");
        return;
    }
    t->left -= len;
    int r = wr_write_all(t->fd, bytes, len);
    if (r < 0)
        (void)wr_fail(&t->error, wr_code_from_errno(-r), -r, "write");
}

static void on_drain(struct wr_transport_call *call, void *data)
{
    struct transfer *t = data;

    (void)call;
    t->progress = true;
    t->full = false;
}

static void on_end(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    struct transfer *t = data;

    (void)call;
    t->done = true;
    if (error && t->error.code == WR_OK)
        t->error = *error;
}

static const struct wr_transport_ops ops = {
    .on_body = on_body, .on_drain = on_drain, .on_end = on_end};

/* Runs the loop until the call is over, feeding it from the file. */
static int run_transfer(struct wr_transport *transport, struct wr_transport_call *call,
                        struct transfer *t, bool upload, struct wr_error *err)
{
    wr_auto_free char *chunk = upload ? wr_calloc(1, WR_HTTP_READ_SIZE) : NULL;
    bool sending = upload;
    uint64_t last_ms = wr_mono_ms();
    int r = 0;

    if (upload && !chunk)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "upload");
    while (r == 0 && !t->done && t->error.code == WR_OK) {
        if (sending && !t->full && t->left > 0) {
            ssize_t n = wr_read_full(t->fd, chunk, WR_MIN(t->left, (uint64_t)WR_HTTP_READ_SIZE));
            if (n <= 0) {
                r = wr_fail(err, n < 0 ? wr_code_from_errno((int)-n) : WR_E_ABORTED, (int)-n,
                            "read: the file became shorter or cannot be read");
                break;
            }
            t->left -= (uint64_t)n;
            t->full = wr_transport_write(call, chunk, (size_t)n) != WR_HTTP_MORE;
        }
        if (sending && t->left == 0) {
            sending = false;
            wr_transport_end(call);
        }
        bool ready = sending && !t->full;
        r = wr_transport_step(transport, ready ? 0 : 1000, err);
        if (ready || t->progress)
            last_ms = wr_mono_ms();
        t->progress = false;
        if (r == 0 && !t->done && wr_mono_ms() - last_ms > STALL_TIMEOUT_MS)
            r = wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "no progress for %d s",
                        STALL_TIMEOUT_MS / 1000);
    }
    if (!t->done)
        wr_transport_cancel(call);
    if (r == 0 && t->error.code != WR_OK) {
        *err = t->error;
        r = -err->code;
    }
    return r;
}

/* [{"path": "<absolute>", ...}]: where the agent put the file. */
static int read_path(const struct wr_buf *answer, char *ret_path, size_t cap, struct wr_error *err)
{
    wr_auto_json *json = json_loadb(wr_buf_ptr(answer), answer->len, JSON_REJECT_DUPLICATES, NULL);
    const char *path = json_string_value(json_object_get(json_array_get(json, 0), "path"));

    if (!path || !wr_strcopy(ret_path, cap, path))
        return wr_fail(err, WR_E_INTERNAL, 0, "the agent did not say where the file is");
    return 0;
}

int wr_file_upload(struct wr_transport *transport, const struct wr_file_at *at,
                   const struct wr_file_source *source, struct wr_error *err)
{
    char target[TARGET_MAX];
    struct transfer transfer = {.fd = source->fd,
                                .left = source->length,
                                .fd_is_source = true,
                                .answer = WR_BUF(WR_FILE_PATH_MAX + (size_t)4096)};
    struct wr_transport_call *call = NULL;
    struct wr_transport_request request = {.method = at->sandbox_id ? "POST" : "PUT",
                                           .target = target,
                                           .sandbox_id = at->sandbox_id,
                                           .port = WR_AGENT_PORT,
                                           .sandbox_domain = at->sandbox_domain,
                                           .access_token = at->access_token,
                                           .content_type = "application/octet-stream",
                                           .stream = true,
                                           .stream_length = (int64_t)source->length};

    int r = files_target(at, target, sizeof target, err);
    if (r == 0)
        r = wr_transport_begin(transport, &request, &ops, &transfer, &call, err);
    if (r == 0)
        r = run_transfer(transport, call, &transfer, true, err);
    if (r == 0 && source->ret_path)
        r = read_path(&transfer.answer, source->ret_path, WR_FILE_PATH_MAX, err);
    wr_buf_done(&transfer.answer);
    return r < 0 ? wr_wrap(err, "%.60s", at->path) : 0;
}

int wr_file_download(struct wr_transport *transport, const struct wr_file_at *at, int fd,
                     uint64_t max_bytes, struct wr_error *err)
{
    char target[TARGET_MAX];
    struct transfer transfer = {.fd = fd, .left = max_bytes};
    struct wr_transport_call *call = NULL;
    struct wr_transport_request request = {
        .method = "GET",
        .target = target,
        .sandbox_id = at->sandbox_id,
        .port = WR_AGENT_PORT,
        .sandbox_domain = at->sandbox_domain,
        .access_token = at->access_token,
    };

    int r = files_target(at, target, sizeof target, err);
    if (r == 0)
        r = wr_transport_begin(transport, &request, &ops, &transfer, &call, err);
    if (r == 0)
        r = run_transfer(transport, call, &transfer, false, err);
    return r < 0 ? wr_wrap(err, "%.60s", at->path) : 0;
}
