#include "agent/fs/metadata.h"

#include <errno.h>
#include <limits.h>
#include <sys/xattr.h>

#include "agent/fs/create.h"
#include "base/alloc.h"
#include "base/str.h"

#define FIELD_PREFIX "X-Metadata-"

/* A file whose attributes are looked at: an open one, or by its path, which may be a link itself.
 */
struct file {
    int fd;
    const char *path; /* NULL: by descriptor */
};

/* The names of all attributes of a file, each with its NUL. */
struct names {
    char *text; /* owned */
    size_t len;
};

static void names_done(struct names *names)
{
    free(names->text);
}

static int invalid(struct wr_error *err, const char *why)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "invalid metadata: %s", why);
}

static bool printable(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] < 0x20 || s[i] > 0x7e)
            return false;
    return true;
}

static const char *find(const struct wr_metadata *m, const char *name)
{
    const char *p = wr_buf_ptr(&m->pairs);
    for (size_t i = 0; i < m->count; i++) {
        const char *value = p + strlen(p) + 1;
        if (wr_streq(p, name))
            return value;
        p = value + strlen(value) + 1;
    }
    return NULL;
}

static int add(struct wr_metadata *m, const char *key, size_t key_len,
               const struct wr_h1_header *field, size_t *total, struct wr_error *err)
{
    char name[sizeof(WR_METADATA_PREFIX) + WR_METADATA_KEY_MAX] = WR_METADATA_PREFIX;
    size_t len = strlen(name);

    if (key_len == 0 || key_len > WR_METADATA_KEY_MAX)
        return invalid(err, "a key has between 1 and 246 bytes");
    if (!printable(key, key_len) || !printable(field->value, field->value_len))
        return invalid(err, "keys and values are printable ASCII");
    for (size_t i = 0; i < key_len; i++)
        name[len++] = key[i] >= 'A' && key[i] <= 'Z' ? (char)(key[i] + ('a' - 'A')) : key[i];
    name[len] = '\0';
    if (find(m, name))
        return 0;
    *total += len + field->value_len;
    if (*total > WR_METADATA_TOTAL_MAX)
        return invalid(err, "keys and values are more than 4096 bytes");
    if (wr_buf_append(&m->pairs, name, len + 1) < 0 ||
        wr_buf_append(&m->pairs, field->value, field->value_len) < 0 ||
        wr_buf_append_char(&m->pairs, '\0') < 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "no memory for the metadata");
    m->count++;
    return 0;
}

int wr_metadata_parse(const struct wr_h1_head *head, struct wr_metadata *ret, struct wr_error *err)
{
    struct wr_metadata m = {.pairs =
                                WR_BUF(WR_METADATA_TOTAL_MAX + (size_t)2 * WR_HTTP_MAX_HEADERS)};
    const size_t prefix_len = strlen(FIELD_PREFIX);
    size_t total = 0;

    for (size_t i = 0; i < head->header_count; i++) {
        const struct wr_h1_header *field = &head->headers[i];
        if (field->name_len < prefix_len ||
            !wr_memcaseeq(field->name, prefix_len, FIELD_PREFIX, prefix_len))
            continue;
        int rc =
            add(&m, field->name + prefix_len, field->name_len - prefix_len, field, &total, err);
        if (rc < 0) {
            wr_metadata_done(&m);
            return rc;
        }
    }
    *ret = m;
    return 0;
}

void wr_metadata_done(struct wr_metadata *m)
{
    wr_buf_done(&m->pairs);
    m->count = 0;
}

static ssize_t list_attributes(const struct file *file, char *out, size_t cap)
{
    return file->path ? llistxattr(file->path, out, cap) : flistxattr(file->fd, out, cap);
}

static ssize_t get_attribute(const struct file *file, const char *name, char *out, size_t cap)
{
    return file->path ? lgetxattr(file->path, name, out, cap) : fgetxattr(file->fd, name, out, cap);
}

/* 0, or -errno; a file system without attributes has none. Nearly all files have none: one call
 * tells. */
static int list_names(const struct file *file, struct names *ret)
{
    ssize_t size = list_attributes(file, NULL, 0);

    if (size <= 0)
        return size == 0 || errno == ENOTSUP ? 0 : -errno;
    ret->text = malloc((size_t)size + 1);
    if (!ret->text)
        return -ENOMEM;
    /* Somebody else may add one meanwhile; then it is missed like one that is added later. */
    ssize_t len = list_attributes(file, ret->text, (size_t)size);
    if (len < 0)
        return errno == ERANGE ? 0 : -errno;
    ret->len = (size_t)len;
    ret->text[ret->len] = '\0';
    return 0;
}

/* The next name of ours at or behind *at, or NULL. */
static const char *next_name(const struct names *names, size_t *at)
{
    while (*at < names->len) {
        const char *name = names->text + *at;
        *at += strlen(name) + 1;
        if (wr_starts_with(name, WR_METADATA_PREFIX))
            return name;
    }
    return NULL;
}

int wr_metadata_store(int fd, const struct wr_metadata *m, const char *path, struct wr_error *err)
{
    WR_CLEANUP(names_done) struct names names = {0};
    const char *name = NULL;
    size_t at = 0;

    int rc = list_names(&(struct file){.fd = fd}, &names);
    if (rc < 0)
        return wr_file_fail(err, -rc, "reading the metadata of", path);
    while ((name = next_name(&names, &at))) {
        if (!find(m, name) && fremovexattr(fd, name) < 0 && errno != ENODATA)
            return wr_file_fail(err, errno, "removing metadata of", path);
    }
    const char *p = wr_buf_ptr(&m->pairs);
    for (size_t i = 0; i < m->count; i++) {
        const char *value = p + strlen(p) + 1;
        if (fsetxattr(fd, p, value, strlen(value), 0) < 0)
            return errno == ENOTSUP ? 0 : wr_file_fail(err, errno, "storing metadata of", path);
        p = value + strlen(value) + 1;
    }
    return 0;
}

static void write_all(const struct file *file, struct wr_jw *w)
{
    WR_CLEANUP(names_done) struct names names = {0};
    char value[WR_METADATA_TOTAL_MAX];
    size_t at = 0, total = 0;
    const char *name = NULL;
    bool any = false;

    if (list_names(file, &names) < 0)
        return;
    while ((name = next_name(&names, &at))) {
        ssize_t len = get_attribute(file, name, value, sizeof(value));
        total += len < 0 ? 0 : strlen(name) + (size_t)len;
        if (len < 0 || total > WR_METADATA_TOTAL_MAX)
            continue;
        if (!any) {
            wr_jw_key(w, "metadata");
            wr_jw_object(w);
            any = true;
        }
        wr_jw_key(w, name + strlen(WR_METADATA_PREFIX));
        wr_jw_strn(w, value, (size_t)len);
    }
    if (any)
        wr_jw_end(w);
}

void wr_metadata_write(int fd, struct wr_jw *w)
{
    write_all(&(struct file){.fd = fd}, w);
}

void wr_metadata_write_at(const char *path, struct wr_jw *w)
{
    write_all(&(struct file){.fd = -1, .path = path}, w);
}
