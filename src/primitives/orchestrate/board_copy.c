#include "primitives/orchestrate/board_copy.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/orchestrate/board_names.h"
#include "warren/program.h"

#define LIST_DEPTH   WR_BOARD_MAX_DEPTH
#define PREPARE_MS   ((uint64_t)30000)
#define STATUS_OTHER 3

/* A directory that was used before is emptied, one that is somebody else's is left alone. */
static const char prepare_script[] = "set -e\n"
                                     "if [ -d \"$1\" ] && [ ! -e \"$1/" WR_BOARD_MARK
                                     "\" ] && [ -n \"$(ls -A \"$1\")\" ]; then exit 3; fi\n"
                                     "mkdir -p -- \"$1\"\n"
                                     "find \"$1\" -xdev -mindepth 1 -delete\n"
                                     ": > \"$1/" WR_BOARD_MARK "\"\n"
                                     "chown user: -- \"$1\" \"$1/" WR_BOARD_MARK "\"\n";

void wr_board_copy_done(struct wr_board_copy *copy)
{
    wr_board_files_done(&copy->files);
    json_decref(copy->listed);
    *copy = (struct wr_board_copy){0};
}

static int prepare(struct wr_sandbox *sandbox, const char *path, const struct wr_wait *wait,
                   struct wr_error *err)
{
    const char *const argv[] = {"/bin/sh", "-c", prepare_script, "sh", path};
    wr_auto_value *run = NULL;

    int r = wr_program_run(sandbox,
                           WR_OPTS(wr_program_opts, .argv = argv, .argv_count = WR_ARRAY_SIZE(argv),
                                   .user = "root", .cwd = "/", .timeout_ms = PREPARE_MS),
                           wait, &run, err);
    if (r < 0)
        return r;
    int64_t status = wr_value_int(run, "exit_code", -1);
    if (status == STATUS_OTHER)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "%.100s is there in the sandbox and holds files; choose another share_path",
                       path);
    return status == 0 ? 0
                       : wr_fail(err, WR_E_INTERNAL, 0, "%.60s: making the board failed: %.120s",
                                 path, wr_value_string(run, "stderr"));
}

/* A whole number, which the protocol gives as a text. */
static const char *size_text(const json_t *entry, char out[static 24])
{
    const json_t *size = json_object_get(entry, "size");

    if (json_is_string(size) && json_string_length(size) < 24)
        return json_string_value(size);
    if (!json_is_integer(size) ||
        !wr_strformat(out, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(size)))
        return "";
    return out;
}

/* The path below the board of a listed regular file; NULL for what is none, or is not for it. */
static const char *below(const json_t *entry, const char *path)
{
    const char *whole = json_string_value(json_object_get(entry, "path"));
    const char *type = json_string_value(json_object_get(entry, "type"));
    const json_t *target = json_object_get(entry, "symlinkTarget");
    size_t len = strlen(path);

    if (!whole || !type || (!wr_streq(type, "FILE_TYPE_FILE") && !wr_streq(type, "file")) ||
        json_string_length(target) > 0)
        return NULL;
    if (strncmp(whole, path, len) != 0 || whole[len] != '/' ||
        !wr_board_path_valid(whole + len + 1))
        return NULL;
    return whole + len + 1;
}

/* [size, time], or null when the server does not tell the time. */
static json_t *look_of(const json_t *entry)
{
    json_t *time = json_object_get(entry, "modifiedTime");
    char number[24];

    return time ? json_pack("[s, O]", size_text(entry, number), time) : json_null();
}

static int list_into(struct wr_sandbox *sandbox, const char *path, const struct wr_wait *wait,
                     json_t *into, struct wr_error *err)
{
    wr_auto_value *list = NULL;
    size_t i;
    json_t *entry;

    int r = wr_files_list(sandbox, path, NULL, LIST_DEPTH, wait, &list, err);
    if (r < 0)
        return r;
    json_array_foreach(wr_value_json(list), i, entry) {
        const char *name = below(entry, path);
        if (name && json_object_set_new(into, name, look_of(entry)) < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "blackboard");
        if (json_object_size(into) > WR_BOARD_MAX_FILES)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                           "the board in the sandbox has more than %d files", WR_BOARD_MAX_FILES);
    }
    return 0;
}

static int write_files(struct wr_sandbox *sandbox, const char *path, const struct wr_wait *wait,
                       const struct wr_board_files *files, struct wr_error *err)
{
    struct wr_file *list = wr_calloc(files->count, sizeof *list);
    int r = 0;

    if (!list)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "blackboard");
    for (size_t i = 0; r == 0 && i < files->count; i++) {
        list[i] = (struct wr_file){.path = wr_asprintf("%s/%s", path, files->items[i].path),
                                   .bytes = files->items[i].bytes,
                                   .len = files->items[i].len};
        if (!list[i].path)
            r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "blackboard");
    }
    if (r == 0)
        r = wr_files_write_all(sandbox, list, files->count, NULL, wait, err);
    for (size_t i = 0; i < files->count; i++)
        free((char *)(uintptr_t)list[i].path);
    free(list);
    return r;
}

int wr_board_copy_in(struct wr_blackboard *board, struct wr_sandbox *sandbox, const char *path,
                     const struct wr_wait *wait, struct wr_board_copy *ret, struct wr_error *err)
{
    WR_CLEANUP(wr_board_copy_done) struct wr_board_copy copy = {.listed = json_object()};

    if (!copy.listed)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "blackboard");
    int r = wr_blackboard_read(board, &copy.files, err);
    if (r == 0)
        r = prepare(sandbox, path, wait, err);
    if (r == 0 && copy.files.count > 0)
        r = write_files(sandbox, path, wait, &copy.files, err);
    if (r == 0 && copy.files.count > 0)
        r = list_into(sandbox, path, wait, copy.listed, err);
    if (r < 0)
        return r;
    /* Only their names and hashes are needed later. */
    for (size_t i = 0; i < copy.files.count; i++) {
        free(copy.files.items[i].bytes);
        copy.files.items[i].bytes = NULL;
    }
    *ret = copy;
    copy = (struct wr_board_copy){0};
    return 0;
}

static bool is_as_given(const struct wr_board_copy *copy, const char *name, const char *bytes,
                        size_t len)
{
    char hash[2 * WR_SHA256_LEN + 1];

    for (size_t i = 0; i < copy->files.count; i++)
        if (wr_streq(copy->files.items[i].path, name)) {
            wr_sha256_hex(bytes, len, hash);
            return wr_streq(copy->files.items[i].hash, hash);
        }
    return false;
}

static int bring_back(struct wr_blackboard *board, struct wr_sandbox *sandbox, const char *path,
                      const struct wr_wait *wait, const struct wr_board_copy *copy,
                      const char *name, struct wr_error *err)
{
    wr_auto_free char *whole = wr_asprintf("%s/%s", path, name);
    wr_auto_free char *bytes = NULL;
    size_t len = 0;

    if (!whole)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "blackboard");
    int r = wr_files_read(sandbox, whole, NULL, wr_blackboard_max_bytes(board), wait, &bytes, &len,
                          err);
    if (r == -WR_E_NOT_FOUND)
        return 0; /* the code still runs things that remove files */
    if (r < 0)
        return wr_wrap(err, "blackboard: %.80s", name);
    return is_as_given(copy, name, bytes, len) ? 0
                                               : wr_blackboard_write(board, name, bytes, len, err);
}

int wr_board_copy_out(struct wr_blackboard *board, struct wr_sandbox *sandbox, const char *path,
                      const struct wr_wait *wait, const struct wr_board_copy *copy,
                      struct wr_error *err)
{
    wr_auto_json *now = json_object();
    const char *name = NULL;
    json_t *look = NULL;

    if (!now)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "blackboard");
    int r = list_into(sandbox, path, wait, now, err);
    if (r < 0)
        return r == -WR_E_NOT_FOUND ? 0 : r;
    json_object_foreach(now, name, look) {
        const json_t *before = json_object_get(copy->listed, name);
        if (json_is_array(look) && json_equal(look, before))
            continue;
        r = bring_back(board, sandbox, path, wait, copy, name, err);
        if (r < 0)
            return r;
    }
    return 0;
}
