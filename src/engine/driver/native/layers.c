#include "engine/driver/native/layers.h"

#include <errno.h>
#include <fcntl.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/native.h"
#include "engine/isolate/device_layer.h"
#include "engine/snapshot/store.h"
#include "log/log.h"
#include "template/kept.h"

#define FILE_NAME "layers"
#define MAX_BYTES (WR_MANIFEST_MAX_LAYERS * 81)

static bool add(struct wr_layer_names *names, const char *name)
{
    return names->count < WR_ARRAY_SIZE(names->names) &&
           wr_strcopy(names->names[names->count++], sizeof(names->names[0]), name);
}

void wr_layer_names_of(const struct wr_native_template *t, struct wr_layer_names *ret)
{
    _Static_assert(WR_TEMPLATE_MAX_LAYERS < WR_MANIFEST_MAX_LAYERS, "and the device layer");

    ret->count = 0;
    for (size_t i = 0; i < t->t.layer_count; i++)
        (void)add(ret, t->t.layers[i]);
    (void)add(ret, t->driver->device_layer_name);
}

int wr_layer_names_write(int upper_fd, const struct wr_layer_names *names, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(MAX_BYTES);
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < names->count; i++)
        rc = wr_buf_printf(&text, "%s\n", names->names[i]);
    if (rc == 0)
        rc = wr_file_replace(upper_fd, FILE_NAME, wr_buf_ptr(&text), text.len, 0600, WR_VOLATILE);
    return rc < 0
               ? wr_fail(err, wr_code_from_errno(-rc), -rc, "write the names of a sandbox's layers")
               : 0;
}

int wr_layer_names_read(int upper_fd, struct wr_layer_names *ret, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(MAX_BYTES);
    struct wr_layer_names names = {.count = 0};
    int rc = wr_file_read(upper_fd, FILE_NAME, &text);
    char *cursor = rc < 0 ? NULL : wr_buf_cstr(&text);

    if (!cursor)
        return wr_fail(err, WR_E_DATA_LOSS, rc < 0 ? -rc : ENOMEM,
                       "read the names of a sandbox's layers");
    for (char *line; (line = strsep(&cursor, "\n")) && *line;)
        if (strchr(line, '/') || !add(&names, line))
            return wr_fail(err, WR_E_DATA_LOSS, 0, "a sandbox's list of layers is damaged");
    if (names.count == 0)
        return wr_fail(err, WR_E_DATA_LOSS, 0, "a sandbox's list of layers is empty");
    *ret = names;
    return 0;
}

/* FNV-1a over the names, which are hashes. */
uint64_t wr_layer_names_id(const struct wr_layer_names *names)
{
    uint64_t id = 0xcbf29ce484222325;

    for (size_t i = 0; i < names->count; i++)
        for (const char *c = names->names[i];; c++) {
            id = (id ^ (unsigned char)*c) * 0x100000001b3;
            if (!*c)
                break;
        }
    return id;
}

void wr_layer_fds_close(struct wr_layer_fds *fds)
{
    while (fds->count > 0)
        wr_close(fds->fds[--fds->count]);
}

int wr_layer_fds_open(struct wr_driver *driver, const struct wr_layer_names *names,
                      struct wr_layer_fds *ret, struct wr_error *err)
{
    WR_CLEANUP(wr_layer_fds_close) struct wr_layer_fds fds = {.count = 0};
    char path[96];

    for (size_t i = names->count; i-- > 0;) {
        int fd = -1;
        if (names->names[i][0] && !strchr(names->names[i], '/') &&
            wr_strformat(path, sizeof(path), "layers/%s", names->names[i]))
            fd = openat(driver->data_dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return wr_fail_errno(err, WR_E_DATA_LOSS, "open the layer %s, which a sandbox needs",
                                 names->names[i]);
        fds.fds[fds.count++] = fd;
    }
    *ret = fds;
    fds.count = 0;
    return 0;
}

/* ---- Collecting ---- */

/* Names of layers, each once. There are few: one stack per template and version of the program. */
struct used {
    struct wr_driver *driver;
    char (*names)[80];
    size_t count, capacity;
    bool incomplete;
};

static bool is_used(const char *name, void *data)
{
    const struct used *used = data;

    for (size_t i = 0; i < used->count; i++)
        if (wr_streq(used->names[i], name))
            return true;
    return used->incomplete;
}

static void note(struct used *used, const char *name)
{
    for (size_t i = 0; i < used->count; i++)
        if (wr_streq(used->names[i], name))
            return;
    if (used->count == used->capacity) {
        const size_t capacity = used->capacity ? 2 * used->capacity : 64;
        void *names = wr_calloc(capacity, sizeof(*used->names));
        if (!names) {
            used->incomplete = true;
            return;
        }
        if (used->count > 0)
            memcpy(names, used->names, used->count * sizeof(*used->names));
        free(used->names);
        used->names = names;
        used->capacity = capacity;
    }
    if (!wr_strcopy(used->names[used->count++], sizeof(*used->names), name))
        used->incomplete = true;
}

static void note_saved(const char *id, void *data)
{
    WR_CLEANUP(wr_manifest_done) struct wr_manifest manifest = {.files = NULL};
    struct used *used = data;
    struct wr_error err;

    if (wr_snapshot_load(used->driver->snapshots, id, &manifest, NULL, &err) < 0) {
        used->incomplete = true; /* it is damaged, but perhaps not for ever */
        return;
    }
    for (size_t i = 0; i < manifest.layer_count; i++)
        note(used, manifest.layers[i]);
}

static void note_upper(const char *id, void *data)
{
    struct used *used = data;
    struct wr_layer_names names = {.count = 0};
    struct wr_error err;
    wr_auto_close int fd = -1;

    if (wr_volume_upper_open(used->driver->volume, id, &fd, &err) < 0)
        return;
    if (wr_layer_names_read(fd, &names, &err) < 0)
        used->incomplete = true; /* of a version that wrote no such file */
    for (size_t i = 0; i < names.count; i++)
        note(used, names.names[i]);
}

void wr_native_layers_collect(struct wr_driver *driver)
{
    struct used used = {.driver = driver};
    struct wr_error err = {0};

    int rc = wr_volume_upper_list(driver->volume, note_upper, &used, &err);
    if (rc == 0)
        rc = wr_snapshots_list(driver->snapshots, false, note_saved, &used, &err);
    if (rc == 0 && !used.incomplete) {
        wr_device_layer_collect(driver->data_dirfd, driver->device_layer_fd, is_used, &used);
        rc = wr_kept_layers_collect(driver->data_dirfd, is_used, &used, &err);
    }
    if (rc < 0)
        wr_log(WR_LOG_WARN, err.msg, NULL);
    free(used.names);
}
