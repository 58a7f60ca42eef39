#include "agent/fs/compose.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fs/create.h"
#include "agent/fs/path.h"
#include "agent/fs/target.h"
#include "agent/fs/upload.h"
#include "agent/reply.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/rand.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/jwrite.h"

#define REQUEST_MAX    ((size_t)1024 * 1024)
#define ENTRY_MAX      ((size_t)64 * 1024)
#define SOURCES_MAX    4096
#define BYTES_PER_TURN ((size_t)8 * 1024 * 1024) /* then other connections get their turn */
#define PIECE          8192 /* bytes per read, where the kernel does not copy by itself */
#define TEMPORARY_LEN  12

struct compose {
    struct wr_exchange *ex;
    const struct wr_agent *agent;
    struct wr_idle again;
    char **sources; /* owned, resolved */
    size_t count;
    size_t done; /* of them are copied */
    char *destination;
    char *temporary; /* beside it; NULL: not made, or renamed */
    int in_fd, out_fd;
};

static void compose_free(struct compose *c)
{
    wr_idle_cancel(&c->again);
    c->in_fd = wr_close(c->in_fd);
    c->out_fd = wr_close(c->out_fd);
    if (c->temporary)
        (void)!unlink(c->temporary);
    for (size_t i = 0; i < c->count; i++)
        free(c->sources[i]);
    free(c->sources);
    free(c->destination);
    free(c->temporary);
    free(c);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    (void)ex;
    (void)aborted;
    compose_free(data);
}

static void fail(struct wr_exchange *ex, const struct wr_error *err)
{
    switch (err->code) {
    case WR_E_INVALID_ARGUMENT:
        wr_reply_error(ex, 400, "%s", err->msg);
        break;
    case WR_E_NOT_FOUND:
        wr_reply_error(ex, 404, "%s", err->msg);
        break;
    case WR_E_RESOURCE_EXHAUSTED:
        wr_reply_error(ex, 507, "not enough disk space available");
        break;
    default:
        wr_reply_error(ex, 500, "%s", err->msg);
        break;
    }
}

/* Opens a source; it has to be a regular file. */
static int open_source(const char *path, struct wr_error *err)
{
    struct stat st;

    wr_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return wr_fail(err, WR_E_NOT_FOUND, 0, "source file not found: %.180s", path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return wr_file_fail(err, errno, "opening source file", path);
    if (!S_ISREG(st.st_mode))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "source is not a regular file: %.180s", path);
    return wr_steal_fd(&fd);
}

/* Before anything is written: what is missing is told at once. */
static int check_sources(const struct compose *c, struct wr_error *err)
{
    struct stat destination, st;
    bool exists = lstat(c->destination, &destination) == 0;

    for (size_t i = 0; i < c->count; i++) {
        /* However it is spelled: the source is removed in the end, and the result with it. */
        bool same = exists && lstat(c->sources[i], &st) == 0 && st.st_dev == destination.st_dev &&
                    st.st_ino == destination.st_ino;
        if (same || wr_streq(c->sources[i], c->destination))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "source and destination are the same file: %.160s", c->destination);
        int fd = open_source(c->sources[i], err);
        if (fd < 0)
            return fd;
        (void)wr_close(fd);
    }
    return 0;
}

static int open_temporary(struct compose *c, const struct wr_user *user, struct wr_error *err)
{
    char suffix[TEMPORARY_LEN + 1];
    size_t base_len = 0;
    const char *base = wr_path_base(c->destination, &base_len);

    wr_random_id(suffix, TEMPORARY_LEN);
    c->temporary =
        wr_asprintf("%.*s.compose-%s", (int)(base - c->destination), c->destination, suffix);
    if (!c->temporary)
        return wr_fail(err, WR_E_INTERNAL, 0, "no memory for composing");
    int rc = wr_file_create(c->temporary, user, &c->out_fd, err);
    if (rc < 0) {
        free(c->temporary);
        c->temporary = NULL;
    }
    return rc;
}

/* At most `max` bytes from one file to the other; 0 at the end. In the kernel where it can. */
static ssize_t copy_some(int in_fd, int out_fd, size_t max)
{
    char piece[PIECE];

    ssize_t n = copy_file_range(in_fd, NULL, out_fd, NULL, max, 0);
    if (n > 0)
        return n;
    /* 0 may also be a file without a size; the rest: not between these file systems. */
    if (n < 0 && errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
        return -errno;
    n = read(in_fd, piece, WR_MIN(max, sizeof(piece)));
    if (n <= 0)
        return n < 0 ? -errno : 0;
    int rc = wr_write_all(out_fd, piece, (size_t)n);
    return rc < 0 ? rc : n;
}

/* Puts the result in its place and answers. */
static int finish(struct compose *c, struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(ENTRY_MAX);
    struct wr_jw w;

    if (rename(c->temporary, c->destination) < 0)
        return errno == EISDIR ? wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                                         "path is a directory: %.180s", c->destination)
                               : wr_file_fail(err, errno, "renaming the result to", c->destination);
    free(c->temporary);
    c->temporary = NULL;
    for (size_t i = 0; i < c->count; i++) {
        /* The same one may be listed twice. */
        if (unlink(c->sources[i]) < 0 && errno != ENOENT)
            return wr_file_fail(err, errno, "removing source file", c->sources[i]);
    }
    wr_jw_init(&w, &body);
    wr_upload_write_entry(&w, c->destination, c->out_fd);
    if (wr_jw_finish(&w) < 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "no memory for the answer; the file was composed");
    wr_reply_json(c->ex, 200, &body);
    return 0;
}

/* One turn. 1 when there is more to do. */
static int step(struct compose *c, struct wr_error *err)
{
    size_t budget = BYTES_PER_TURN;

    while (c->done < c->count) {
        if (c->in_fd < 0)
            c->in_fd = open_source(c->sources[c->done], err);
        if (c->in_fd < 0)
            return -err->code;
        if (budget == 0)
            return 1;
        ssize_t n = copy_some(c->in_fd, c->out_fd, budget);
        if (n < 0)
            return wr_file_fail(err, (int)-n, "copying", c->sources[c->done]);
        budget -= WR_MIN(budget, (size_t)n);
        if (n == 0) {
            c->in_fd = wr_close(c->in_fd);
            c->done++;
        }
    }
    return finish(c, err);
}

static void on_idle(struct wr_idle *idle, void *data)
{
    struct compose *c = data;
    struct wr_error err;

    int rc = step(c, &err);
    if (rc < 0)
        fail(c->ex, &err);
    else if (rc > 0)
        wr_idle_queue(wr_exchange_loop(c->ex), idle);
}

/* Sources and destination of the request, resolved. */
static int read_paths(struct compose *c, json_t *sources, const char *destination,
                      const struct wr_user *user, struct wr_error *err)
{
    const char *workdir = c->agent->config->default_workdir;
    char path[PATH_MAX];
    size_t count = json_array_size(sources);

    if (count == 0 || destination[0] == '\0')
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       count == 0 ? "source_paths must not be empty" : "destination is required");
    c->sources = wr_calloc(count, sizeof(*c->sources));
    if (!c->sources)
        return wr_fail(err, WR_E_INTERNAL, 0, "no memory for composing");
    for (size_t i = 0; i <= count; i++) {
        const json_t *item = json_array_get(sources, i);
        const char *text = i == count ? destination : json_string_value(item);
        if (!text || (i < count && strlen(text) != json_string_length(item)))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "source_paths[%zu] is not a string without NUL bytes", i);
        int rc = wr_path_resolve(text, user, workdir, path, err);
        if (rc < 0)
            return rc;
        char *copy = wr_strdup(path);
        if (!copy)
            return wr_fail(err, WR_E_INTERNAL, 0, "no memory for composing");
        if (i < count)
            c->sources[c->count++] = copy;
        else
            c->destination = copy;
    }
    return 0;
}

static struct compose *compose_new(const struct wr_agent *agent, struct wr_exchange *ex)
{
    struct compose *c = wr_calloc(1, sizeof(*c));
    if (c) {
        c->ex = ex;
        c->agent = agent;
        c->in_fd = c->out_fd = -1;
        c->again = (struct wr_idle){.fn = on_idle, .data = c};
    }
    return c;
}

static void on_request(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    static const struct wr_exchange_ops ops = {.on_close = on_close};
    const struct wr_agent *agent = data;
    wr_auto_json *request = NULL;
    json_t *sources = NULL;
    const char *destination = "", *name = "";
    struct wr_user user;
    struct wr_error err;
    const struct wr_json_field fields[] = {
        {.name = "source_paths", .kind = WR_JSON_ARRAY, .ret = &sources, .max = SOURCES_MAX},
        {.name = "destination", .kind = WR_JSON_STRING, .ret = &destination, .max = PATH_MAX},
        {.name = "username", .kind = WR_JSON_STRING, .ret = &name},
    };

    int rc = wr_json_parse_within(body, len, 4 * SOURCES_MAX, &request, &err);
    if (rc == 0)
        rc = wr_json_read(request, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, &err);
    if (rc < 0) {
        wr_reply_error(ex, 400, "%s", err.msg);
        return;
    }
    rc = wr_file_user(agent, name, &user, &err);
    if (rc < 0) {
        wr_reply_error(ex, wr_code_http_status(err.code), "%s", err.msg);
        return;
    }
    struct compose *c = compose_new(agent, ex);
    if (!c) {
        wr_reply_error(ex, 500, "no memory for composing");
        return;
    }
    rc = read_paths(c, sources, destination, &user, &err);
    if (rc == 0)
        rc = check_sources(c, &err);
    if (rc == 0)
        rc = open_temporary(c, &user, &err);
    if (rc < 0) {
        fail(ex, &err);
        compose_free(c);
        return;
    }
    wr_exchange_set_ops(ex, &ops, c);
    wr_idle_queue(wr_exchange_loop(ex), &c->again);
}

void wr_files_compose(struct wr_agent *agent, struct wr_exchange *ex)
{
    wr_exchange_collect(ex, REQUEST_MAX, on_request, NULL, agent);
}
