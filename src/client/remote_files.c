#include "client/remote_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "client/remote_ops.h"
#include "engine/action.h"
#include "http/uri.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "json/value.h"

#define MAX_MESSAGE ((size_t)32 * 1024)

int wr_remote_files_target(const struct wr_call *call, const char *path,
                           char out[static WR_REMOTE_FILES_TARGET_MAX], struct wr_error *err)
{
    char encoded[WR_REMOTE_FILES_TARGET_MAX - 512] = "", user[256] = "";
    const char *first = path ? "?path=" : "";
    const char *second = !call->user ? "" : path ? "&username=" : "?username=";

    if ((path && !wr_uri_encode(path, encoded, sizeof encoded)) ||
        (call->user && !wr_uri_encode(call->user, user, sizeof user)) ||
        !wr_strformat(out, WR_REMOTE_FILES_TARGET_MAX, "/files%s%s%s%s", first, encoded, second,
                      user))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path %.60s...: too long", path ? path : "");
    return 0;
}

/* ---- out of the sandbox ---- */

struct download {
    const char *path;
    int fd;
    uint64_t left;
};

static int too_large(const char *path, struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "%.100s: the file is larger than allowed",
                   path);
}

static int write_piece(void *data, const char *bytes, size_t len, struct wr_error *err)
{
    struct download *download = data;

    if (len > download->left)
        return too_large(download->path, err);
    download->left -= len;
    int r = wr_write_all(download->fd, bytes, len);
    return r < 0 ? wr_fail(err, wr_code_from_errno(-r), -r, "write") : 0;
}

static int get_file(void *self, const struct wr_call *call, const char *path,
                    struct wr_remote_answer *answer, struct wr_error *err)
{
    char target[WR_REMOTE_FILES_TARGET_MAX] = "";
    const struct wr_transport_request request =
        wr_remote_inside(call, WR_AGENT_PORT, "GET", target);
    struct wr_remote_use use = {0};

    int r = wr_remote_files_target(call, path, target, err);
    if (r == 0)
        r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_check_reach(&use, call, err);
    if (r == 0) {
        r = wr_remote_request(&use, &request, answer, err);
        if (r < 0)
            r = wr_remote_explain(&use, call, "a file was read", err);
    }
    wr_remote_end(&use);
    return r;
}

int wr_remote_file_read(void *self, const struct wr_call *call, const char *path,
                        uint64_t max_bytes, struct wr_bytes *ret, struct wr_error *err)
{
    struct wr_remote_answer answer = {
        .body = WR_BUF((size_t)WR_MIN(max_bytes, (uint64_t)(SIZE_MAX / 4)))};

    int r = get_file(self, call, path, &answer, err);
    if (r == -WR_E_RESOURCE_EXHAUSTED && answer.status == 200)
        r = too_large(path, err);
    if (r == 0) {
        /* Its own memory, not the buffer's: that may begin in the middle of its allocation. */
        char *data = malloc(answer.body.len + 1);
        if (data) {
            if (answer.body.len > 0)
                memcpy(data, wr_buf_ptr(&answer.body), answer.body.len);
            data[answer.body.len] = '\0';
            *ret = (struct wr_bytes){data, answer.body.len};
        } else {
            r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "file of %zu bytes", answer.body.len);
        }
    }
    wr_buf_done(&answer.body);
    return r;
}

int wr_remote_file_download(void *self, const struct wr_call *call, const char *path, int fd,
                            uint64_t max_bytes, struct wr_error *err)
{
    struct download download = {path, fd, max_bytes};
    struct wr_remote_answer answer = {.sink = write_piece, .sink_data = &download};

    return get_file(self, call, path, &answer, err);
}

/* ---- the filesystem service ---- */

struct fs_request {
    const char *method;
    const char *path_key, *path;
    const char *second_key, *second; /* NULL: none */
    unsigned depth;                  /* 0: none */
};

static int ask(void *self, const struct wr_call *call, const struct fs_request *what, json_t **ret,
               struct wr_error *err)
{
    wr_auto_buf message = WR_BUF(MAX_MESSAGE);
    struct wr_remote_use use = {0};
    struct wr_jw w;

    wr_jw_init(&w, &message);
    wr_jw_object(&w);
    wr_jw_kstr(&w, what->path_key, what->path);
    if (what->second)
        wr_jw_kstr(&w, what->second_key, what->second);
    if (what->depth)
        wr_jw_ku64(&w, "depth", what->depth);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, -r, "path %.60s...: too long", what->path);
    r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_check_reach(&use, call, err);
    if (r == 0)
        r = wr_remote_rpc(&use, call, what->method, &message, ret, err);
    wr_remote_end(&use);
    return r;
}

/* Asks, and gives a member of the answer. */
static int ask_for(void *self, const struct wr_call *call, const struct fs_request *what,
                   const char *member, struct wr_value **ret, struct wr_error *err)
{
    wr_auto_json *answer = NULL;

    int r = ask(self, call, what, &answer, err);
    if (r < 0)
        return r;
    json_t *found = json_object_get(answer, member);
    if (!json_is_object(found))
        return wr_fail(err, WR_E_INTERNAL, 0, "%s: the answer has no \"%s\"", what->method, member);
    *ret = wr_value_of_json(json_incref(found));
    return 0;
}

int wr_remote_file_list(void *self, const struct wr_call *call, const char *path, unsigned depth,
                        struct wr_value **ret, struct wr_error *err)
{
    const struct fs_request request = {.method = "/filesystem.Filesystem/ListDir",
                                       .path_key = "path",
                                       .path = path,
                                       .depth = depth};
    wr_auto_json *answer = NULL;

    int r = ask(self, call, &request, &answer, err);
    if (r < 0)
        return r;
    /* An empty list is left out, as all defaults are. */
    json_t *entries = json_object_get(answer, "entries");
    if (entries && !json_is_array(entries))
        return wr_fail(err, WR_E_INTERNAL, 0, "%s: \"entries\" is no array", request.method);
    *ret = wr_value_of_json(entries ? json_incref(entries) : json_array());
    return 0;
}

int wr_remote_file_stat(void *self, const struct wr_call *call, const char *path,
                        struct wr_value **ret, struct wr_error *err)
{
    const struct fs_request request = {
        .method = "/filesystem.Filesystem/Stat", .path_key = "path", .path = path};

    return ask_for(self, call, &request, "entry", ret, err);
}

int wr_remote_file_make_dir(void *self, const struct wr_call *call, const char *path,
                            struct wr_error *err)
{
    const struct fs_request request = {
        .method = "/filesystem.Filesystem/MakeDir", .path_key = "path", .path = path};

    return ask(self, call, &request, NULL, err);
}

int wr_remote_file_rename(void *self, const struct wr_call *call, const char *from, const char *to,
                          struct wr_error *err)
{
    const struct fs_request request = {.method = "/filesystem.Filesystem/Move",
                                       .path_key = "source",
                                       .path = from,
                                       .second_key = "destination",
                                       .second = to};

    return ask(self, call, &request, NULL, err);
}

int wr_remote_file_remove(void *self, const struct wr_call *call, const char *path,
                          struct wr_error *err)
{
    const struct fs_request request = {
        .method = "/filesystem.Filesystem/Remove", .path_key = "path", .path = path};

    return ask(self, call, &request, NULL, err);
}
