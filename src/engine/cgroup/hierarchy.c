#include "engine/cgroup/hierarchy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/str.h"
#include "engine/storage/mountinfo.h"

#define PERIOD_US     20000U
#define MAX_PERIOD_US 1000000U /* the kernel's limit */
#define MIN_QUOTA_US  1000U    /* the kernel's limit */

static const struct {
    const char *name;
    unsigned bit;
} controllers[] = {
    {"memory", WR_CONTROLLER_MEMORY},
    {"cpu", WR_CONTROLLER_CPU},
    {"pids", WR_CONTROLLER_PIDS},
};

unsigned wr_controllers_parse(const char *list)
{
    unsigned bits = 0;
    while (*list) {
        size_t len = strcspn(list, " ,\n");
        for (size_t i = 0; i < WR_ARRAY_SIZE(controllers); i++) {
            if (strlen(controllers[i].name) == len && memcmp(controllers[i].name, list, len) == 0)
                bits |= controllers[i].bit;
        }
        list += len;
        list += strspn(list, " ,\n");
    }
    return bits;
}

void wr_controllers_format(unsigned bits, char *out, size_t cap)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < WR_ARRAY_SIZE(controllers) && used < cap; i++) {
        if (bits & controllers[i].bit) {
            used += (size_t)snprintf(out + used, cap - used, "%s%s", used ? ", " : "",
                                     controllers[i].name);
        }
    }
}

void wr_cpu_bandwidth(uint32_t cpu_millis, uint64_t *ret_quota_us, uint64_t *ret_period_us)
{
    uint64_t period = PERIOD_US;
    if (period * cpu_millis < (uint64_t)MIN_QUOTA_US * 1000)
        period = ((uint64_t)MIN_QUOTA_US * 1000 + cpu_millis - 1) / cpu_millis;
    period = WR_MIN(period, MAX_PERIOD_US);
    *ret_quota_us = WR_MAX(period * cpu_millis / 1000, MIN_QUOTA_US);
    *ret_period_us = period;
}

/*
 * The calling process's group in the hierarchy that has these controllers ("" for the v2 line
 * "0::/path"), into `out`. Empty when the text does not say.
 */
static bool find_own_path(const char *self_cgroup, unsigned bits, bool v2, char *out, size_t cap)
{
    const char *line = self_cgroup;
    while (*line) {
        const char *end = strchrnul(line, '\n');
        const char *list = memchr(line, ':', (size_t)(end - line));
        const char *path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;
        if (path) {
            char names[256] = "";
            size_t len = (size_t)(path - list - 1);
            memcpy(names, list + 1, WR_MIN(len, sizeof(names) - 1));
            bool match = v2 ? len == 0 && line[0] == '0' : (wr_controllers_parse(names) & bits);
            if (match) {
                size_t path_len = (size_t)(end - path - 1);
                if (path_len >= cap)
                    return false;
                memcpy(out, path + 1, path_len);
                out[path_len] = '\0';
                return true;
            }
        }
        line = *end ? end + 1 : end;
    }
    out[0] = '\0';
    return true;
}

/*
 * A mount may show only a part of the hierarchy (containers). A group outside of that part has a
 * path that the mount cannot reach; then its top is what is left.
 */
static bool set_place(struct wr_cgroup_place *place, const struct wr_mountinfo *m,
                      const char *self_cgroup, bool v2)
{
    char own[WR_CGROUP_PATH_MAX] = "";
    const char *below = own;

    if (!wr_strcopy(place->mount, sizeof(place->mount), m->mount_point) ||
        !find_own_path(self_cgroup, place->controllers, v2, own, sizeof(own)))
        return false;
    if (!wr_streq(m->root, "/")) {
        size_t len = strlen(m->root);
        bool inside = wr_starts_with(own, m->root) && (own[len] == '/' || own[len] == '\0');
        below = inside ? own + len : "";
    }
    if (wr_streq(below, "/") || strstr(below, "/.."))
        below = "";
    place->read_only = wr_mountinfo_has_option(m->options, "ro") ||
                       wr_mountinfo_has_option(m->super_options, "ro");
    return wr_strcopy(place->own, sizeof(place->own), below);
}

int wr_cgroup_layout_parse(const char *mountinfo, const char *self_cgroup,
                           struct wr_cgroup_layout *ret, struct wr_error *err)
{
    wr_auto_free struct wr_cgroup_layout *layout = wr_calloc(1, sizeof(*layout));
    wr_auto_free char *text = wr_strdup(mountinfo);
    if (!text || !layout)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cgroup detection");

    struct wr_mountinfo m;
    unsigned seen = 0;
    for (char *cursor = text; wr_mountinfo_next(&cursor, &m);) {
        bool ok = true;
        if (wr_streq(m.fs_type, "cgroup2") && !layout->has_v2) {
            layout->has_v2 = true;
            ok = set_place(&layout->v2, &m, self_cgroup, true);
        } else if (wr_streq(m.fs_type, "cgroup")) {
            unsigned bits = wr_controllers_parse(m.super_options) & ~seen;
            if (!bits)
                continue; /* not ours, or a second mount of the same hierarchy */
            seen |= bits;
            struct wr_cgroup_place *place = &layout->v1[layout->v1_count++];
            place->controllers = bits;
            ok = set_place(place, &m, self_cgroup, false);
        }
        if (!ok) {
            return wr_fail(err, WR_E_FAILED_PRECONDITION, ENAMETOOLONG,
                           "the control group mounted at %.64s", m.mount_point);
        }
    }
    if (!layout->has_v2 && !layout->v1_count) {
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "no cgroup file system is mounted: run 'mount -t cgroup2 none "
                       "/sys/fs/cgroup', or start the container with its cgroups");
    }
    *ret = *layout;
    return 0;
}

static bool join_path(char *out, size_t cap, const char *leaf, const char *file)
{
    return leaf ? wr_strformat(out, cap, "%s/%s", leaf, file) : wr_strcopy(out, cap, file);
}

int wr_hierarchy_write(const struct wr_hierarchy *h, const char *leaf, const char *file,
                       const char *value, struct wr_error *err)
{
    char path[NAME_MAX + 1];
    int r = join_path(path, sizeof(path), leaf, file) ? wr_file_write_str(h->fd, path, value)
                                                      : -ENAMETOOLONG;
    if (r < 0) {
        return wr_fail(err, wr_code_from_errno(-r), -r, "write '%s' to %s in %.96s", value, path,
                       h->label);
    }
    return 0;
}

int wr_hierarchy_write_u64(const struct wr_hierarchy *h, const char *leaf, const char *file,
                           uint64_t value, struct wr_error *err)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    return wr_hierarchy_write(h, leaf, file, text, err);
}

int wr_hierarchy_read_u64(const struct wr_hierarchy *h, const char *leaf, const char *file,
                          uint64_t *ret, struct wr_error *err)
{
    char path[NAME_MAX + 1], text[64];
    uint64_t value = 0;
    ssize_t r = join_path(path, sizeof(path), leaf, file)
                    ? wr_file_read_line(h->fd, path, text, sizeof(text))
                    : -ENAMETOOLONG;
    if (r >= 0 && !wr_streq(text, "max"))
        r = wr_parse_u64(text, 0, UINT64_MAX, &value);
    if (r < 0) {
        return wr_fail(err, wr_code_from_errno((int)-r), (int)-r, "read %s in %.96s", path,
                       h->label);
    }
    *ret = value;
    return 0;
}

static void read_line(const char *line, struct wr_hierarchy_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(keys[i].name);
        if (strncmp(line, keys[i].name, len) == 0 && line[len] == ' ' &&
            wr_parse_u64(line + len + 1, 0, UINT64_MAX, &keys[i].value) == 0)
            keys[i].found = true;
    }
}

int wr_hierarchy_read_keys(const struct wr_hierarchy *h, const char *leaf, const char *file,
                           struct wr_hierarchy_key *keys, size_t count, struct wr_error *err)
{
    char path[NAME_MAX + 1];
    wr_auto_buf text = WR_BUF(16384);
    int r = join_path(path, sizeof(path), leaf, file) ? wr_file_read(h->fd, path, &text)
                                                      : -ENAMETOOLONG;
    char *line = r < 0 ? NULL : wr_buf_cstr(&text);
    if (!line) {
        return wr_fail(err, wr_code_from_errno(-r), r ? -r : ENOMEM, "read %s in %.96s", path,
                       h->label);
    }
    while (line) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        read_line(line, keys, count);
        line = next;
    }
    for (size_t i = 0; i < count; i++)
        if (!keys[i].found)
            return wr_fail(err, WR_E_INTERNAL, 0, "no '%s' in %s in %.96s", keys[i].name, path,
                           h->label);
    return 0;
}

int wr_hierarchy_read_key(const struct wr_hierarchy *h, const char *leaf, const char *file,
                          const char *key, uint64_t *ret, struct wr_error *err)
{
    struct wr_hierarchy_key keys[] = {{.name = key}};
    int r = wr_hierarchy_read_keys(h, leaf, file, keys, 1, err);
    if (r == 0)
        *ret = keys[0].value;
    return r;
}

int wr_hierarchy_write_or_max(const struct wr_hierarchy *h, const char *leaf, const char *file,
                              uint64_t value, struct wr_error *err)
{
    return value ? wr_hierarchy_write_u64(h, leaf, file, value, err)
                 : wr_hierarchy_write(h, leaf, file, "max", err);
}

/* Each of them: the kernel may refuse one (v1 a memory limit below the usage), and that must not
 * leave the others loose. */
int wr_hierarchy_set_limits(const struct wr_hierarchy *h, const char *leaf,
                            const struct wr_cgroup_limits *limits, bool fresh, struct wr_error *err)
{
    struct wr_error why[3] = {{.code = WR_OK}};
    const int rcs[] = {
        (h->controllers & WR_CONTROLLER_MEMORY) && !(fresh && !limits->memory_max_bytes)
            ? h->ops->set_memory(h, leaf, limits->memory_max_bytes, &why[0])
            : 0,
        (h->controllers & WR_CONTROLLER_CPU) && !(fresh && !limits->cpu_millis)
            ? h->ops->set_cpu(h, leaf, limits->cpu_millis, &why[1])
            : 0,
        (h->controllers & WR_CONTROLLER_PIDS) && !(fresh && !limits->pids_max)
            ? wr_hierarchy_write_or_max(h, leaf, "pids.max", limits->pids_max, &why[2])
            : 0,
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rcs); i++) {
        if (rcs[i] < 0) {
            *err = why[i];
            return rcs[i];
        }
    }
    return 0;
}
