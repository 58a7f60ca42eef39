#include "agent/fs/dir_names.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"

#define FIRST_NAMES 64

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the listing");
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add(struct wr_dir_names *n, size_t *cap, const char *name, struct wr_error *err)
{
    if (n->count == *cap) {
        const size_t wanted = *cap > 0 ? *cap * 2 : FIRST_NAMES;
        char **grown = realloc(n->names, wanted * sizeof(*grown));
        if (!grown)
            return no_memory(err);
        n->names = grown;
        *cap = wanted;
    }
    n->names[n->count] = wr_strdup(name);
    if (!n->names[n->count])
        return no_memory(err);
    n->count++;
    return 0;
}

int wr_dir_names_read(int fd, size_t max, struct wr_dir_names *ret, struct wr_error *err)
{
    DIR *dir = fdopendir(fd);
    size_t cap = 0;
    int rc = 0;

    if (!dir) {
        rc = wr_fail_errno(err, WR_E_INTERNAL, "read a directory");
        wr_close(fd);
        return rc;
    }
    for (const struct dirent *e = readdir(dir); rc == 0 && e; e = readdir(dir)) {
        if (wr_streq(e->d_name, ".") || wr_streq(e->d_name, ".."))
            continue;
        rc = ret->count < max ? add(ret, &cap, e->d_name, err)
                              : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                                        "too many entries; list a smaller directory");
    }
    (void)closedir(dir);
    if (rc == 0 && ret->count > 0)
        qsort(ret->names, ret->count, sizeof(*ret->names), compare);
    return rc;
}

void wr_dir_names_free(struct wr_dir_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct wr_dir_names){.count = 0};
}
