#include "engine/storage/share.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/str.h"
#include "engine/action.h"
#include "engine/storage/quota.h"
#include "engine/storage/volume.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "sys/syscall.h"

#define SHARES           "volumes"
#define DATA             "data"
#define RECORD           "record.json"
#define RECORD_FORMAT    1
#define MAX_RECORD_BYTES 1024
#define LIST_MAX         1024
#define GONE             ".gone-" /* prefix of what is being removed */
#define DRAIN_MS         10000

/* Every template's "user" has this id, and everybody else may write as well. */
#define ROOT_ID   1000
#define ROOT_MODE 0777

struct wr_shares {
    struct wr_volume *volume; /* borrowed */
    struct wr_quota *quota;   /* borrowed: the volume's */
    int dirfd;
    /* Closed for writing when every process that removes something has ended. */
    int busy_read, busy_write;
};

bool wr_share_id_valid(const char *id)
{
    for (size_t i = 0; i < WR_SHARE_ID_LEN; i++) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? id[i] != '-' : id[i] == '\0' || !strchr("0123456789abcdef", id[i]))
            return false;
    }
    return id[WR_SHARE_ID_LEN] == '\0';
}

static int check_id(const char *id, struct wr_error *err)
{
    return wr_share_id_valid(id)
               ? 0
               : wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                         "\"%.40s\" is not the id of a volume (a UUID in lower case)", id);
}

static int not_found(const char *id, struct wr_error *err)
{
    return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no volume %s", id);
}

/* The directory of one share: 0, or -errno. */
static int open_top(const struct wr_shares *shares, const char *id, int *ret_fd)
{
    int fd = openat(shares->dirfd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

static bool has_record(int top)
{
    return faccessat(top, RECORD, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static int read_record(int top, const char *id, uint64_t *ret_size, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(MAX_RECORD_BYTES);
    wr_auto_json *json = NULL;
    uint64_t format = 0, size = 0, created = 0;
    const char *name = NULL;
    const struct wr_json_field fields[] = {
        {.name = "format",
         .kind = WR_JSON_U64,
         .required = true,
         .ret = &format,
         .min = RECORD_FORMAT,
         .max = RECORD_FORMAT},
        {.name = "volume", .kind = WR_JSON_STRING, .required = true, .ret = &name},
        {.name = "sizeBytes", .kind = WR_JSON_U64, .required = true, .ret = &size},
        {.name = "createdMs", .kind = WR_JSON_U64, .required = true, .ret = &created},
    };
    int rc = wr_file_read(top, RECORD, &text);

    if (rc < 0)
        return wr_fail(err, WR_E_DATA_LOSS, -rc, "read the record of volume %s", id);
    rc = wr_json_parse(wr_buf_ptr(&text), text.len, &json, err);
    if (rc == 0)
        rc = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (rc == 0 && !wr_streq(name, id))
        rc = wr_fail(err, WR_E_DATA_LOSS, 0, "it is that of volume %.40s", name);
    if (rc < 0)
        return wr_wrap(err, "the record of volume %s", id);
    *ret_size = size;
    return 0;
}

static int write_record(int top, const char *id, uint64_t size_bytes)
{
    wr_auto_buf text = WR_BUF(MAX_RECORD_BYTES);
    struct wr_jw w;

    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    wr_jw_ku64(&w, "format", RECORD_FORMAT);
    wr_jw_kstr(&w, "volume", id);
    wr_jw_ku64(&w, "sizeBytes", size_bytes);
    wr_jw_ku64(&w, "createdMs", wr_wall_ms());
    wr_jw_end(&w);
    int rc = wr_jw_finish(&w);
    return rc < 0 ? rc
                  : wr_file_replace(top, RECORD, wr_buf_ptr(&text), text.len, 0600, WR_DURABLE);
}

/* Exactly this mode, whatever the umask is; nothing of it can be reached before it has its owner.
 */
static int make_data(int top)
{
    if (fchmod(top, 0700) < 0 || mkdirat(top, DATA, 0700) < 0 ||
        fchownat(top, DATA, ROOT_ID, ROOT_ID, AT_SYMLINK_NOFOLLOW) < 0 ||
        fchmodat(top, DATA, ROOT_MODE, 0) < 0)
        return -errno;
    return 0;
}

static int remove_top(struct wr_shares *shares, const char *id, struct wr_error *err)
{
    return shares->quota->ops->remove(shares->quota, shares->dirfd, id, err);
}

static int make_new(struct wr_shares *shares, const char *id, uint64_t size_bytes,
                    struct wr_error *err)
{
    wr_auto_close int top = -1;
    int rc = wr_volume_check_room(shares->volume, err);

    if (rc == 0)
        rc = shares->quota->ops->make(shares->quota, shares->dirfd, id, size_bytes, &top, err);
    if (rc < 0)
        return rc;
    rc = make_data(top);
    if (rc == 0)
        rc = write_record(top, id, size_bytes);
    if (rc == 0)
        rc = fsync(shares->dirfd) < 0 ? -errno : 0;
    if (rc == 0)
        return 0;
    struct wr_error undo_err;
    int undo = remove_top(shares, id, &undo_err);
    return wr_fail(err, wr_code_from_errno(-rc), -rc, "make volume %s%s", id,
                   undo < 0 ? " (and what was made could not be removed)" : "");
}

int wr_share_make(struct wr_shares *shares, const char *id, uint64_t size_bytes,
                  struct wr_error *err)
{
    wr_auto_close int top = -1;
    uint64_t size = 0;
    int rc = check_id(id, err);

    if (rc < 0)
        return rc;
    if (size_bytes < WR_ACTION_VOLUME_BYTES_MIN || size_bytes > WR_ACTION_VOLUME_BYTES_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the size of a volume is %llu bytes; between %llu and %llu is possible",
                       (unsigned long long)size_bytes,
                       (unsigned long long)WR_ACTION_VOLUME_BYTES_MIN,
                       (unsigned long long)WR_ACTION_VOLUME_BYTES_MAX);
    rc = open_top(shares, id, &top);
    if (rc == -ENOENT)
        return make_new(shares, id, size_bytes, err);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "open volume %s", id);
    if (!has_record(top)) {
        top = wr_close(top);
        rc = remove_top(shares, id, err);
        return rc < 0 ? rc : make_new(shares, id, size_bytes, err);
    }
    rc = read_record(top, id, &size, err);
    if (rc == 0 && size != size_bytes)
        rc = wr_fail(err, WR_E_ALREADY_EXISTS, 0, "there is a volume %s of %llu bytes already", id,
                     (unsigned long long)size);
    return rc;
}

int wr_share_open(const struct wr_shares *shares, const char *id, int *ret_fd, struct wr_error *err)
{
    wr_auto_close int top = -1;
    int rc = check_id(id, err);

    if (rc < 0)
        return rc;
    rc = open_top(shares, id, &top);
    if (rc == -ENOENT || (rc == 0 && !has_record(top)))
        return not_found(id, err);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "open volume %s", id);
    int fd = openat(top, DATA, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return wr_fail_errno(err, WR_E_DATA_LOSS, "open the data of volume %s", id);
    *ret_fd = fd;
    return 0;
}

/* The process that removes: holds nothing of the engine but what it needs, and is nobody's child,
 * so that nobody has to wait for it. */
static void run_removal(const struct wr_shares *shares, const char *name)
{
    struct wr_error err;
    int keep[] = {shares->dirfd, shares->busy_write};

    if (fork() != 0)
        _exit(0);
    if (dup2(keep[0], 0) < 0 || dup2(keep[1], 1) < 0)
        _exit(1);
    (void)syscall(SYS_close_range, 2U, ~0U, 0U);
    _exit(shares->quota->ops->remove(shares->quota, 0, name, &err) < 0);
}

/* Where it takes time, in a process of its own. What fails is found by the next wr_shares_open().
 */
static void remove_gone(struct wr_shares *shares, const char *name)
{
    const struct wr_quota_ops *ops = shares->quota->ops;
    struct wr_error err;
    pid_t pid = ops->remove_waits ? fork() : -1;

    if (pid == 0)
        run_removal(shares, name);
    if (pid > 0)
        (void)!waitpid(pid, NULL, 0);
    else if (remove_top(shares, name, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, NULL);
    if (ops->forked)
        ops->forked(shares->quota);
}

void wr_shares_drain(struct wr_shares *shares)
{
    struct pollfd fd = {.fd = shares->busy_read};

    shares->busy_write = wr_close(shares->busy_write);
    if (poll(&fd, 1, DRAIN_MS) == 0)
        wr_log(WR_LOG_WARN, "the removal of a volume takes long", NULL);
}

int wr_share_remove(struct wr_shares *shares, const char *id, struct wr_error *err)
{
    wr_auto_close int top = -1;
    int rc = check_id(id, err);

    if (rc < 0)
        return rc;
    rc = open_top(shares, id, &top);
    if (rc == -ENOENT)
        return not_found(id, err);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "open volume %s", id);
    top = wr_close(top);
    if (!shares->quota->ops->remove_waits)
        return remove_top(shares, id, err);
    char gone[sizeof(GONE) + WR_ID_LEN] = GONE;
    wr_random_id(gone + strlen(GONE), WR_ID_LEN);
    if (renameat(shares->dirfd, id, shares->dirfd, gone) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "remove volume %s", id);
    remove_gone(shares, gone);
    return 0;
}

/* Calls `fn` for every name that could be a share's, with `gone` also for those being removed. */
static int each_name(const struct wr_shares *shares, bool gone,
                     void (*fn)(const char *id, void *data), void *data, struct wr_error *err)
{
    int fd = openat(shares->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir) {
        wr_close(fd);
        return wr_fail_errno(err, WR_E_INTERNAL, "list " SHARES);
    }
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (wr_share_id_valid(e->d_name) || (gone && wr_starts_with(e->d_name, GONE)))
            fn(e->d_name, data);
    closedir(dir);
    return 0;
}

/* The `max` smallest ids above `after`. */
struct page {
    const char *after;
    size_t max, count;
    bool more;
    char ids[LIST_MAX][WR_SHARE_ID_LEN + 1];
};

static void sort_in(const char *id, void *data)
{
    struct page *page = data;
    size_t at = page->count;

    if (strcmp(id, page->after) <= 0)
        return;
    while (at > 0 && strcmp(id, page->ids[at - 1]) < 0)
        at--;
    page->more |= page->count == page->max;
    if (at == page->max)
        return;
    page->count += page->count < page->max;
    memmove(page->ids[at + 1], page->ids[at], (page->count - 1 - at) * sizeof(page->ids[0]));
    memcpy(page->ids[at], id, sizeof(page->ids[0]));
}

int wr_share_list(const struct wr_shares *shares, const char *after, size_t max, wr_share_fn fn,
                  void *data, bool *ret_more, struct wr_error *err)
{
    wr_auto_free struct page *page = wr_calloc(1, sizeof(*page));

    if (!page)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list " SHARES);
    page->after = after;
    page->max = WR_MIN(max, (size_t)LIST_MAX);
    int rc = each_name(shares, false, sort_in, page, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < page->count; i++) {
        struct wr_share share = {.size_bytes = 0};
        struct wr_error why;
        wr_auto_close int top = -1;
        memcpy(share.id, page->ids[i], sizeof(share.id));
        if (open_top(shares, share.id, &top) < 0 || !has_record(top))
            continue;
        if (shares->quota->ops->usage(shares->quota, top, &share.used_bytes, &share.size_bytes,
                                      &why) < 0) {
            wr_log(WR_LOG_WARN, why.msg, "volume", share.id, NULL);
            continue;
        }
        fn(&share, data);
    }
    *ret_more = page->more;
    return 0;
}

static void remove_half_made(const char *id, void *data)
{
    struct wr_shares *shares = data;
    wr_auto_close int top = -1;
    struct wr_error err;

    if (wr_starts_with(id, GONE)) {
        remove_gone(shares, id);
        return;
    }
    if (open_top(shares, id, &top) < 0 || has_record(top))
        return;
    top = wr_close(top);
    wr_log(WR_LOG_INFO, "removing a half-made volume", "volume", id, NULL);
    if (remove_top(shares, id, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, "volume", id, NULL);
}

int wr_shares_open(struct wr_volume *volume, struct wr_shares **ret, struct wr_error *err)
{
    const int volume_fd = wr_volume_fd(volume);

    if (mkdirat(volume_fd, SHARES, 0700) < 0 && errno != EEXIST)
        return wr_fail_errno(err, wr_code_from_errno(errno), "make directory " SHARES);
    wr_auto_close int fd =
        openat(volume_fd, SHARES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* 0700 whatever it was: setuid files of sandboxes lie below it. */
    if (fd < 0 || fchmod(fd, 0700) < 0 || fchown(fd, 0, 0) < 0 || fsync(volume_fd) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open directory " SHARES);
    int busy[2] = {-1, -1};
    struct wr_shares *shares = wr_calloc(1, sizeof(*shares));
    if (!shares || pipe2(busy, O_CLOEXEC) < 0) {
        free(shares);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "open " SHARES);
    }
    shares->volume = volume;
    shares->quota = wr_volume_quota(volume);
    shares->dirfd = wr_steal_fd(&fd);
    shares->busy_read = busy[0];
    shares->busy_write = busy[1];
    int rc = each_name(shares, true, remove_half_made, shares, err);
    if (rc < 0)
        wr_shares_free(shares);
    else
        *ret = shares;
    return rc;
}

struct wr_shares *wr_shares_free(struct wr_shares *shares)
{
    if (!shares)
        return NULL;
    wr_close(shares->dirfd);
    wr_close(shares->busy_read);
    wr_close(shares->busy_write);
    free(shares);
    return NULL;
}
