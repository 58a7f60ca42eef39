#include "agent/fs/entry_metadata.h"

#include <string.h>
#include <sys/xattr.h>

#include "agent/fs/metadata.h"
#include "base/alloc.h"
#include "base/str.h"

#define LIST_MAX  ((size_t)64 * 1024) /* the kernel's own maximum */
#define VALUE_MAX 4096

static bool write_pair(struct wr_jw *w, const char *path, const char *name, bool first)
{
    char value[VALUE_MAX];
    const char *key = name + strlen(WR_METADATA_PREFIX);
    ssize_t n = lgetxattr(path, name, value, sizeof(value));

    if (n < 0 || !wr_utf8_valid(value, (size_t)n) || !wr_utf8_valid(key, strlen(key)))
        return false;
    if (first) {
        wr_jw_key(w, "metadata");
        wr_jw_object(w);
    }
    wr_jw_key(w, key);
    wr_jw_strn(w, value, (size_t)n);
    return true;
}

void wr_entry_metadata_write(struct wr_jw *w, const char *path)
{
    bool any = false;

    /* Nearly all files have none: one call tells. */
    if (llistxattr(path, NULL, 0) <= 0)
        return;
    wr_auto_free char *names = malloc(LIST_MAX);
    ssize_t len = names ? llistxattr(path, names, LIST_MAX) : -1;
    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
        if (wr_starts_with(names + at, WR_METADATA_PREFIX) && write_pair(w, path, names + at, !any))
            any = true;
    }
    if (any)
        wr_jw_end(w);
}
