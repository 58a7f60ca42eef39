#include "cli/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"

#define MARK      "user.warren.picture"
#define MAX_NAMES 1000

const struct wr_picture_format wr_picture_formats[] = {
    {"png", ".png", true}, {"jpeg", ".jpg", true}, {"svg", ".svg", false},
    {"pdf", ".pdf", true}, {NULL, NULL, false},
};

int wr_picture_read(const struct wr_picture_format *format, const json_t *result,
                    struct wr_buf *out, struct wr_error *err)
{
    const json_t *value = json_object_get(result, format->member);
    size_t len = json_string_length(value);

    if (len == 0)
        return 0;
    char *room = wr_buf_reserve(out, len + 4);
    if (!room)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "picture");
    ssize_t n = (ssize_t)len;
    if (format->base64)
        n = wr_base64_decode(json_string_value(value), len, room);
    else
        memcpy(room, json_string_value(value), len);
    /* Encoders may put line breaks into base64, the last one at the end. */
    if (n < 0 && format->base64) {
        size_t kept = 0;
        for (size_t i = 0; i < len; i++)
            if (!strchr("\r\n", json_string_value(value)[i]))
                room[kept++] = json_string_value(value)[i];
        n = wr_base64_decode(room, kept, room);
    }
    if (n <= 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a picture (%s) is not valid base64",
                       format->member);
    wr_buf_commit(out, (size_t)n);
    return 1;
}

/* A complete file under a name that nobody waits for. */
static int write_temporary(const char *path, const struct wr_buf *bytes)
{
    wr_auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);

    if (fd < 0)
        return -errno;
    int r = wr_write_all(fd, wr_buf_ptr(bytes), bytes->len);
    if (r < 0)
        (void)unlink(path);
    /* Where the file system has no attributes, the next run takes another name. */
    else
        (void)fsetxattr(fd, MARK, "", 0, 0);
    return r;
}

static bool is_own(const char *path)
{
    return lgetxattr(path, MARK, NULL, 0) >= 0;
}

/* Gives the file its name unless that is somebody else's: -EEXIST. */
static int settle(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    int reason = errno;
    /* Some file systems lack this kind of rename, but have links. */
    if (reason == EINVAL) {
        if (link(from, to) == 0)
            return unlink(from) == 0 ? 0 : -errno;
        reason = errno;
    }
    if (reason == EEXIST && is_own(to))
        return rename(from, to) == 0 ? 0 : -errno;
    return -reason;
}

static bool format_path(const struct wr_picture_place *place, const char *extension,
                        unsigned attempt, char path[static PATH_MAX])
{
    char more[16] = "";

    if (attempt > 1 && !wr_strformat(more, sizeof more, "-%u", attempt))
        return false;
    return wr_strformat(path, PATH_MAX, "%s%s%s-cell%u-%u%s%s",
                        wr_streq(place->dir, ".") ? "" : place->dir,
                        wr_streq(place->dir, ".") ? "" : "/", place->stem, place->cell,
                        place->index, more, extension);
}

int wr_picture_save(const struct wr_picture_place *place, const struct wr_picture_format *format,
                    const struct wr_buf *bytes, char ret_path[static PATH_MAX],
                    struct wr_error *err)
{
    char temporary[PATH_MAX], random[17];
    int r = -ENAMETOOLONG;

    wr_random_id(random, sizeof random - 1);
    if (wr_strformat(temporary, sizeof temporary, "%s/.warren-%s", place->dir, random))
        r = write_temporary(temporary, bytes);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "save a picture in %.120s", place->dir);
    r = -EEXIST;
    for (unsigned attempt = 1; r == -EEXIST && attempt <= MAX_NAMES; attempt++)
        r = format_path(place, format->extension, attempt, ret_path) ? settle(temporary, ret_path)
                                                                     : -ENAMETOOLONG;
    if (r < 0) {
        (void)unlink(temporary);
        return wr_fail(err, wr_code_from_errno(-r), -r, "save %.160s", ret_path);
    }
    return 0;
}
